/// <reference lib="esnext.disposable" preserve="true" />
// @millpond/generic-pool: what `require('generic-pool')` leads to when npm is told to put it in generic-pool's place. The last of the names
// is what Node hands to require(): a plain object, as generic-pool's own.

import { Deque } from './deque.ts';
import { DefaultEvictor } from './evictor.ts';
import type { Factory, Options } from './options.ts';
import { Pool } from './pool.ts';
import { PriorityQueue } from './priority-queue.ts';

export { DefaultEvictor, Deque, Pool, PriorityQueue };
export type { EvictionConfig, Evictor, PooledResource } from './evictor.ts';
export type { Factory, MillpondOptions, Options } from './options.ts';

/** A pool of what `factory` makes. Throws a TypeError for a factory that is none. */
export function createPool<T>(factory: Factory<T>, options?: Options): Pool<T> {
  return new Pool(DefaultEvictor, Deque, PriorityQueue, factory, options);
}

interface GenericPool {
  readonly Pool: typeof Pool;
  readonly Deque: typeof Deque;
  readonly PriorityQueue: typeof PriorityQueue;
  readonly DefaultEvictor: typeof DefaultEvictor;
  readonly createPool: typeof createPool;
}

const genericPool: GenericPool = { Pool, Deque, PriorityQueue, DefaultEvictor, createPool };

export { genericPool as default };
