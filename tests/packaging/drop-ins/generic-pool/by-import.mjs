// What a user with ES modules writes. All ways of loading give one class.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import genericPool, { createPool, Pool } from 'generic-pool';

assert.equal(genericPool.createPool, createPool);
assert.equal(createRequire(import.meta.url)('generic-pool').Pool, Pool);
const pool = createPool({ create: async () => ({ id: 1 }), destroy: async () => undefined }, { millpond: true });
const old = await pool.acquire();
await pool.release(old);
await pool.acquire();
await assert.rejects(pool.release(old), { message: 'Resource not currently part of this pool' });
console.log('import: ok');
