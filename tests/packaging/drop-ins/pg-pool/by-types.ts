// What a user with TypeScript writes: as with @types/pg-pool, and where @types/pg asks for a pg.Pool.
import pg from 'pg';
import Pool from 'pg-pool';

export const pool = new Pool<pg.Client>({ host: 'here', max: 3, idleTimeoutMillis: 1_000, allowExitOnIdle: true }, pg.Client);
export const config: Pool.Config<pg.Client> = { max: 2, Client: pg.Client, millpond: { reset: 'discard', endDeadlineMs: 5_000 } };

interface Row { id: number; name: string }

export async function names(): Promise<string[]> {
  const { rows } = await pool.query<Row>('SELECT id, name FROM users WHERE id > $1', [1]);
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    return rows.map((row) => row.name.toUpperCase());
  } finally {
    client.release(true);
  }
}

export function callbacks(): void {
  pool.connect((error, client, done) => {
    if (error !== undefined || client === undefined) return;
    client.query('SELECT 1', () => done());
  });
  pool.query('SELECT 1', (error: Error, result: pg.QueryResult) => void [error, result.rows]);
  pool.on('error', (error, client) => void [error.message, client.getTransactionStatus()]);
  pool.end(() => {});
}

/** Wherever node-postgres' own class is asked for. */
export function accepts(given: pg.Pool = pool): pg.Pool {
  return given;
}
export class Derived extends Pool<pg.Client> {}

/** Without the types of pg. */
export async function untyped(): Promise<number> {
  const { rows } = await new Pool({ connectionString: 'postgres://here' }).query('SELECT 1 AS one');
  return rows[0].one as number;
}

// @ts-expect-error A number, not a truth value.
export const wrong: Pool = new Pool({ max: true });
