import assert from 'node:assert/strict';
import { AggregateError, Pool, TimeoutError } from 'sequelize-pool';

const pool = new Pool({ min: 0, max: 1, acquireTimeoutMillis: 2_000, create: async () => ({}), destroy: () => {}, validate: () => true });
const resource = await pool.acquire();
await assert.rejects(pool.acquire(), TimeoutError);
pool.release(resource);
await pool.drain();
await pool.destroyAllNow();
assert.equal(pool.size, 0);
assert.equal(typeof AggregateError, 'function');
console.log('import: ok');
