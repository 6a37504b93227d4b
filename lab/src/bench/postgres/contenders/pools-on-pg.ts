// Pools that lend clients of node-postgres: its own, and general ones with the few lines that everybody writes around them.
import { createPool } from 'generic-pool';
import pg from 'pg';
import { Pool as TarnPool } from 'tarn';
import { asksOf, TEXTS } from '../workload.ts';
import { ACQUIRE_TIMEOUT_MS, fill, IDLE_TIMEOUT_MS, type Contender, type Opened, type Place } from './contender.ts';

const NEITHER = 'prepares nothing, pipelines nothing';

export const pgPool: Contender = {
  id: 'pg-pool',
  name: 'pg.Pool, max 10',
  about: 'connectionTimeoutMillis and idleTimeoutMillis 30 000',
  lacks: `${NEITHER}; does not limit connects at once, closes the connection when a statement fails`,
  ours: false,
  size: 10,
  open: (place, size) => openPgPool(place, size, false),
};

/** Its statements have names, which one has to give them. */
export const pgPoolNamed: Contender = {
  ...pgPool,
  id: 'pg-pool-named',
  name: 'pg.Pool, max 10, named',
  about: 'as above, each statement with a name of its own',
  lacks: 'pipelines nothing; does not limit connects at once, closes the connection when a statement fails',
  open: (place, size) => openPgPool(place, size, true),
};

export const pgPool100: Contender = { ...pgPool, id: 'pg-pool-100', name: 'pg.Pool, max 100', size: 100 };

async function openPgPool(place: Place, size: number, named: boolean): Promise<Opened> {
  const pool = new pg.Pool({
    ...place, max: size, connectionTimeoutMillis: ACQUIRE_TIMEOUT_MS, idleTimeoutMillis: IDLE_TIMEOUT_MS,
  });
  pool.on('error', () => undefined); // else a connection that ends while it is idle would end the process
  await fill(size, () => pool.connect(), (client) => client.release());
  const names = new Map<string, string>();
  const queryNamed = (text: string, values?: unknown[]): Promise<pg.QueryResult> => {
    let name = names.get(text);
    if (name === undefined) names.set(text, name = `statement-${names.size}`);
    return pool.query({ name, text, ...(values === undefined ? {} : { values }) });
  };
  return { asks: asksOf(named ? queryNamed : (text, values) => pool.query(text, values)), close: () => pool.end() };
}

export const tarn: Contender = {
  id: 'tarn',
  name: 'pg behind tarn, max 10',
  about: 'acquire, query, release; acquireTimeoutMillis and idleTimeoutMillis 30 000',
  lacks: `${NEITHER}; does not notice that an idle connection has died unless told how`,
  ours: false,
  size: 10,
  open: async (place, size) => {
    const pool = new TarnPool<pg.Client>({
      create: () => connected(place),
      destroy: (client) => client.end(),
      min: 0,
      max: size,
      acquireTimeoutMillis: ACQUIRE_TIMEOUT_MS,
      idleTimeoutMillis: IDLE_TIMEOUT_MS,
    });
    await fill(size, () => pool.acquire().promise, (client) => pool.release(client));
    return {
      asks: asksOf(async (text, values) => {
        const client = await pool.acquire().promise;
        try {
          return await client.query(text, values);
        } finally {
          pool.release(client);
        }
      }),
      close: () => pool.destroy().then(() => undefined),
    };
  },
};

export const genericPool: Contender = {
  id: 'generic-pool',
  name: 'pg behind generic-pool, max 10',
  about: 'acquire, query, release; min = max; acquireTimeoutMillis 30 000',
  lacks: `${NEITHER}; does not notice that an idle connection has died unless told how, does not limit connects at once`,
  ours: false,
  size: 10,
  open: async (place, size) => {
    const pool = createPool<pg.Client>(
      { create: () => connected(place), destroy: (client) => client.end() },
      { min: size, max: size, acquireTimeoutMillis: ACQUIRE_TIMEOUT_MS },
    );
    await pool.ready();
    return {
      asks: asksOf(async (text, values) => {
        const client = await pool.acquire();
        try {
          return await client.query(text, values);
        } finally {
          await pool.release(client);
        }
      }),
      close: async () => {
        await pool.drain();
        await pool.clear();
      },
    };
  },
};

export const knexRaw: Contender = {
  id: 'knex',
  name: 'knex, max 10',
  about: 'knex.raw on pg, pooled by tarn; acquireConnectionTimeout 30 000',
  lacks: `${NEITHER}; the query builder is not used, and without it knex lends as tarn does`,
  ours: false,
  size: 10,
  open: async (place, size) => {
    const { default: knex } = await import('knex'); // large, and nobody else's business
    const db = knex({
      client: 'pg', connection: { ...place }, pool: { min: 0, max: size }, acquireConnectionTimeout: ACQUIRE_TIMEOUT_MS,
    });
    const client = db.client as KnexClient;
    await fill(size, () => client.acquireConnection(), (connection) => client.releaseConnection(connection));
    const first = async (text: string, values: readonly number[]): Promise<unknown> => {
      const { rows } = await db.raw<{ rows: unknown[] }>(text.replace('$1', '?'), values);
      return rows[0];
    };
    return {
      asks: {
        one: () => first(TEXTS.one, []),
        byKey: (key) => first(TEXTS.byKey, [key]),
        pause: (key) => first(TEXTS.pause, [key]),
        quotient: (key) => first(TEXTS.quotient, [key]),
      },
      close: () => db.destroy(),
    };
  },
};

/** The part of knex's client that its types leave out. */
interface KnexClient {
  acquireConnection(): Promise<unknown>;
  releaseConnection(connection: unknown): Promise<void>;
}

async function connected(place: Place): Promise<pg.Client> {
  const client = new pg.Client({ ...place });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
