// The ways to look a row up by its key.
import { createPoolPromise } from '@millpond/mysql2';
import { createMysqlPool } from 'millpond/mysql';
import { createConnection, createPool } from 'mysql2/promise';
import type { Contender, Opened } from '../exchange/contender.ts';

export interface MysqlPlace {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** `query` sends the text with the value in it, `execute` a prepared statement's number and the value. */
  readonly statement: 'query' | 'execute';
}

const ROWS = 1000;
const TEXT = 'SELECT id, name FROM customers WHERE id = ?';
const FEW = 20;

export const CONTENDERS: readonly Contender<MysqlPlace>[] = [
  {
    id: 'connection-per-request', name: 'a connection per request', about: 'mysql2: connect, ask, close', ours: false,
    lacks: `${FEW} callers instead of all; no limit of its own`, callers: FEW, open: perRequest,
  },
  {
    id: 'mysql2', name: 'mysql2\'s pool', about: 'createPool, connectionLimit', ours: false,
    lacks: 'no deadline for getting a connection, does not clean what comes back', open: withMysql2,
  },
  {
    id: 'millpond-mysql2', name: '@millpond/mysql2', about: 'the same code, another import', ours: true,
    lacks: 'what mysql2\'s pool lacks, unless asked for', open: withDropIn,
  },
  { id: 'millpond', name: 'millpond/mysql', about: 'createMysqlPool', ours: true, lacks: '', open: withMillpond },
];

type Ask = (text: string, values: number[]) => Promise<readonly [unknown, unknown]>;

interface Asks {
  readonly query: Ask;
  readonly execute: Ask;
}

/** Asks for one key after the other, and looks at what comes. */
function asking({ statement }: MysqlPlace, { query, execute }: Asks, close: () => Promise<unknown>): Opened {
  const ask = statement === 'query' ? query : execute;
  let turn = 0;
  return {
    async exchange() {
      turn = (turn % ROWS) + 1;
      const id = turn;
      const [rows] = await ask(TEXT, [id]);
      const [row] = rows as { readonly id: number; readonly name: string }[];
      if (row?.id !== id || row.name !== `Customer ${id}`) throw new Error(`a wrong answer for ${id}: ${JSON.stringify(row)}`);
    },
    close,
  };
}

export async function seed(place: MysqlPlace): Promise<void> {
  const connection = await createConnection(accessOf(place));
  await connection.query('CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(40) NOT NULL)');
  const rows = Array.from({ length: ROWS }, (_, index) => [index + 1, `Customer ${index + 1}`]);
  await connection.query('INSERT INTO customers VALUES ?', [rows]);
  await connection.end();
}

function accessOf({ statement: _statement, ...access }: MysqlPlace): Omit<MysqlPlace, 'statement'> {
  return access;
}

function perRequest(place: MysqlPlace): Opened {
  const asked = (statement: MysqlPlace['statement']): Ask => async (text, values) => {
    const connection = await createConnection(accessOf(place));
    connection.on('error', () => undefined); // the statement under way rejects as well
    try {
      return await (statement === 'query' ? connection.query(text, values) : connection.execute(text, values));
    } finally {
      connection.end().catch(() => connection.destroy());
    }
  };
  return asking(place, { query: asked('query'), execute: asked('execute') }, () => Promise.resolve());
}

function withMysql2(place: MysqlPlace, connectionLimit: number): Opened {
  const pool = createPool({ ...accessOf(place), connectionLimit });
  return asking(place, { query: (...all) => pool.query(...all), execute: (...all) => pool.execute(...all) }, () => pool.end());
}

function withDropIn(place: MysqlPlace, connectionLimit: number): Opened {
  const pool = createPoolPromise({ ...accessOf(place), connectionLimit });
  return asking(place, { query: (...all) => pool.query(...all), execute: (...all) => pool.execute(...all) }, () => pool.end());
}

function withMillpond(place: MysqlPlace, max: number): Opened {
  const pool = createMysqlPool({ ...accessOf(place), max });
  return asking(place, { query: (...all) => pool.query(...all), execute: (...all) => pool.execute(...all) }, () => pool.close());
}
