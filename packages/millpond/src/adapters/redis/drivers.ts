// Which of the two a client is of.

import type { Driver } from './driver.ts';
import { permanent } from './classify.ts';
import { ioredis } from './ioredis.ts';
import { nodeRedis } from './node-redis.ts';

/** Throws an error that is permanent. */
export function driverOf(client: unknown): Driver {
  if (typeof client === 'object' && client !== null) {
    if ('_self' in client && 'isPubSubActive' in client) return nodeRedis; // its pool, too, has commands
    if ('status' in client && 'sendCommand' in client && !('isCluster' in client && client.isCluster === true)) return ioredis;
  }
  throw permanent(new TypeError('client() must make a client of node-redis, with createClient(), or of ioredis, with new Redis()'));
}
