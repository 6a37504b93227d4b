// What is written everywhere.
'use strict';

const assert = require('node:assert/strict');
const genericPool = require('generic-pool');

assert.deepEqual(Object.keys(genericPool).sort(), ['DefaultEvictor', 'Deque', 'Pool', 'PriorityQueue', 'createPool']);
const { DefaultEvictor, Deque, PriorityQueue, Pool } = genericPool;
const factory = { create: async () => ({ id: 1 }), destroy: async () => undefined };
const pool = genericPool.createPool(factory, { max: 2, priorityRange: 2 });
assert.ok(pool instanceof Pool && pool instanceof require('node:events'));
assert.ok(new Pool(DefaultEvictor, Deque, PriorityQueue, factory, {}) instanceof Pool);
void pool.acquire(1).then(async (resource) => {
  assert.equal(pool.borrowed, 1);
  await pool.release(resource);
  await pool.drain();
  await pool.clear();
  console.log('require: ok');
});
