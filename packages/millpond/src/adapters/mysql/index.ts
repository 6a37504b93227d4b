/// <reference lib="esnext.disposable" preserve="true" />
// millpond/mysql: pools of MySQL and MariaDB connections on mysql2.

export { createMysqlPool, MysqlPool } from './pool.ts';
export { mysqlFactory } from './factory.ts';
export { classify } from './classify.ts';
export { ConnectionLostError, QueryTimeoutError, TransactionFailedError } from '../common/errors.ts';
export type {
  MysqlAnyRows, MysqlConnection, MysqlConnectOptions, MysqlDriver, MysqlFactoryOptions, MysqlFailover, MysqlField, MysqlPoolOptions,
  MysqlQueryConfig, MysqlQueryOptions, MysqlReset, MysqlResult, MysqlTransactionOptions,
} from './types.ts';
