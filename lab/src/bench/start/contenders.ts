// Who is imported and bundled. A bundle holds what a program needs that uses its pool and nothing else; a fresh process imports the package
// as its users do.
import { CONTENDERS } from '../engine/contenders.ts';

export interface Starter {
  readonly id: string;
  readonly name: string;
  /** Packages whose versions are shown. */
  readonly from: readonly string[];
  readonly configuration: string;
  readonly lacks: string;
  readonly ours: boolean;
  /** What a program that uses the pool imports, one after the other. */
  readonly imports: readonly string[];
  /** The same as the source of a bundle. Undefined: there is nothing to bundle that another row does not have. */
  readonly bundle?: string;
  /** Left out of the bundle: what another row has. */
  readonly external?: readonly string[];
  /** The contender of the engine's chapter that makes the first lease. Undefined: that needs a server. */
  readonly engine?: string;
}

const driver = 'with its driver: more than a pool';

export const STARTERS: readonly Starter[] = [
  {
    id: 'millpond', name: 'millpond', from: ['millpond'], configuration: 'import { Pool }', lacks: '', ours: true,
    imports: ['millpond'], bundle: 'export { Pool } from \'millpond\';', engine: 'millpond',
  },
  {
    id: 'millpond-all', name: 'millpond, every export', from: ['millpond'], configuration: 'import *', lacks: '', ours: true,
    imports: [], bundle: 'export * from \'millpond\';',
  },
  {
    id: 'millpond-pg', name: 'millpond/pg and pg', from: ['millpond', 'pg'], configuration: 'createPgPool, pg loaded', lacks: '',
    ours: true, imports: ['millpond/pg', 'pg'], bundle: 'export { createPgPool } from \'millpond/pg\'; export { Client } from \'pg\';',
  },
  {
    id: 'pg-pool', name: 'pg (pg-pool and its driver)', from: ['pg', 'pg-pool'], configuration: 'import pg', lacks: lacksOf('pg-pool'),
    ours: false, imports: ['pg'], bundle: 'export { Pool } from \'pg\';',
  },
  {
    id: 'pg-pool-alone', name: 'pg-pool alone', from: ['pg-pool'], configuration: 'import Pool', lacks: `a driver; ${lacksOf('pg-pool')}`,
    ours: false, imports: ['pg-pool'], bundle: 'export { default } from \'pg-pool\';', external: ['pg'], engine: 'pg-pool',
  },
  peer('generic-pool', 'export { createPool } from \'generic-pool\';'),
  peer('tarn', 'export { Pool } from \'tarn\';'),
  peer('lightning-pool', 'export { Pool } from \'lightning-pool\';'),
  peer('sequelize-pool', 'export { Pool } from \'sequelize-pool\';'),
  { ...peer('mysql2', 'export { createPool } from \'mysql2\';'), name: 'mysql2', configuration: driver },
  {
    ...peer('node-redis', 'export { createClientPool } from \'@redis/client\';'), name: 'node-redis', from: ['@redis/client'],
    imports: ['@redis/client'], configuration: driver,
  },
  {
    ...peer('effect', 'export { Effect, Exit, Pool, Scope } from \'effect\';'), name: 'Effect Pool',
    configuration: 'Effect, Exit, Pool, Scope',
  },
  { ...without(peer('undici', 'export { Pool } from \'undici\';')), configuration: 'its HTTP client: more than a pool' },
];

function peer(name: string, bundle: string): Starter {
  return {
    id: name, name, from: [name], configuration: 'the pool', lacks: lacksOf(name), ours: false, imports: [name], bundle, engine: name,
  };
}

/** What is left out makes a bundle small. */
function lacksOf(id: string): string {
  return CONTENDERS.find((contender) => contender.id === id)?.lacks ?? '';
}

/** Its pool lends nothing. */
function without({ engine: _engine, ...starter }: Starter): Starter {
  return starter;
}
