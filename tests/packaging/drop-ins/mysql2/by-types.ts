// What a user with TypeScript writes: the types are mysql2's, of what is installed.
import mysql, { createPool, type MillpondOptions, type Pool, type PoolConnection, type RowDataPacket } from '@millpond/mysql2';
import promises, { createPool as createPromisePool, type Pool as PromisePool } from '@millpond/mysql2/promise';

const millpond: MillpondOptions = { endDeadlineMs: 1_000, acquireTimeoutMs: 2_000 };
export const pool: Pool = createPool({ host: 'here', connectionLimit: 2, namedPlaceholders: true, millpond });
export const promised: PromisePool = createPromisePool({ uri: 'mysql://here', millpond: true });
export const others = [mysql.createPool({ millpond: true }), promises.createPool('mysql://here'), mysql.createPoolPromise({ millpond })];

export function ask(then: (rows: RowDataPacket[]) => void): void {
  pool.getConnection((error, connection: PoolConnection) => {
    if (error) return;
    connection.query<RowDataPacket[]>('SELECT 1', (_, rows) => {
      then(rows);
      connection.release();
    });
  });
}

export async function names(): Promise<RowDataPacket[]> {
  const [rows] = await promised.query<RowDataPacket[]>('SELECT name FROM users');
  return rows;
}

// @ts-expect-error A number, not a text.
export const wrong = createPool({ connectionLimit: '4' });
