/// <reference lib="esnext.disposable" preserve="true" />
// @millpond/sequelize-pool: what `require('sequelize-pool')` leads to when npm is told to put it in its place.

export { AggregateError, TimeoutError } from './errors.ts';
export { Pool } from './pool.ts';
export type { EngineOptions, FactoryLogger, FactoryOptions, LogLevel } from './options.ts';
