// postgres.js as it is out of the box: ten connections, prepared statements, several statements on their way on each connection.
import postgres from 'postgres';
import { ACQUIRE_TIMEOUT_MS, type Contender, type Opened, type Place } from './contender.ts';

export const postgresJs: Contender = {
  id: 'postgres-js',
  name: 'postgres.js, max 10',
  about: 'its defaults: prepares statements, pipelines',
  lacks: 'no deadline for getting a connection, no limit of waiters; a slow statement holds up those behind it',
  ours: false,
  size: 10,
  open,
};

export const postgresJsUnix: Contender = { ...postgresJs, id: 'postgres-js-unix', name: 'postgres.js, max 10, Unix socket', unix: true };

async function open(place: Place, size: number): Promise<Opened> {
  const sql = postgres({ ...place, max: size, connect_timeout: ACQUIRE_TIMEOUT_MS / 1000 });
  // It connects when it is asked, a connection for each statement until it has all of them; these hold on until they are all there.
  await Promise.all(Array.from({ length: size }, () => sql`SELECT pg_sleep(0.02)`));
  return {
    asks: {
      one: async () => (await sql`SELECT 1`)[0],
      byKey: async (key) => (await sql`SELECT id, name, email, balance FROM customers WHERE id = ${key}`)[0],
      pause: async (key) => (await sql`SELECT id, name, email, balance FROM pg_sleep(0.001), customers WHERE id = ${key}`)[0],
      quotient: async (key) => (await sql`SELECT 100 / ${key}::int AS quotient`)[0],
    },
    close: () => sql.end({ timeout: 2 }),
  };
}
