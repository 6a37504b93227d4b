// A private PostgreSQL with a role of its own for the fleet.
import pg from 'pg';
import { startPostgres, type PostgresServer } from '../servers/postgres.ts';
import type { Database } from './order.ts';
import { LOGGED } from './sessions.ts';

export const ROLE = 'app';
const PASSWORD = 'app';

export interface FleetDatabase {
  readonly server: PostgresServer;
  /** As its administrator. */
  readonly admin: Database;
  /** As the fleet. */
  readonly database: Database;
}

/** `limit`: how many sessions the server lets the role have; undefined: as many as come. */
export async function startDatabase(limit?: number): Promise<FleetDatabase> {
  const server = await startPostgres({ settings: { max_connections: 200, ...LOGGED } });
  const { host, port, user, password, database } = server;
  const admin = { host, port, user, password, database };
  const client = new pg.Client(admin);
  await client.connect();
  await client.query(`CREATE ROLE ${ROLE} LOGIN PASSWORD '${PASSWORD}' CONNECTION LIMIT ${limit ?? -1}`);
  await client.query(`GRANT CREATE ON DATABASE ${database} TO ${ROLE}`);
  await client.end();
  return { server, admin, database: { ...admin, user: ROLE, password: PASSWORD } };
}
