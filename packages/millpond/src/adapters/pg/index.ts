/// <reference lib="esnext.disposable" preserve="true" />
// millpond/pg: pools of PostgreSQL connections on node-postgres' Client.

export { createPgPool, PgPool } from './pool.ts';
export { pgFactory } from './factory.ts';
export { classify } from './classify.ts';
export { ConnectionLostError, QueryTimeoutError, TransactionFailedError } from '../common/errors.ts';
export { ResetFailedError } from './errors.ts';
export type {
  PgClient, PgClientClass, PgConnectOptions, PgFactoryOptions, PgFailover, PgField, PgPoolOptions, PgQueryConfig, PgQueryOptions, PgReset,
  PgResult, PgRow, PgTransactionOptions,
} from './types.ts';
