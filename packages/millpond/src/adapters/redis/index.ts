/// <reference lib="esnext.disposable" preserve="true" />
// millpond/redis: pools of Redis connections, on node-redis or ioredis.

export { createRedisPool, RedisPool } from './pool.ts';
export { redisFactory } from './factory.ts';
export { classify } from './classify.ts';
export { CommandTimeoutError, ConnectionLostError, NotSharedError } from './errors.ts';
export type { RedisClient, RedisFactoryOptions, RedisPoolOptions, RedisRunOptions } from './types.ts';
