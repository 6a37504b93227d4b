// What a user with ES modules writes. All ways of loading give one class.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import tarn, { Pool, TimeoutError } from 'tarn';
import { knexPool } from 'tarn/knex';
import { Pool as EnginePool } from 'millpond';

assert.equal(tarn.Pool, Pool);
assert.equal(createRequire(import.meta.url)('tarn').TimeoutError, TimeoutError);
const pool = new Pool({ create: async () => ({ id: 1 }), destroy: () => undefined, min: 0, max: 1, millpond: true });
const first = await pool.acquire().promise;
assert.equal(pool.release(first), true);
assert.equal(pool.release(first), false);
await pool.destroy();
const engine = new EnginePool({ max: 1, factory: { create: () => ({ id: 1 }), destroy: () => undefined } });
const face = knexPool(engine);
assert.equal(face.release(await face.acquire().promise), true);
await engine.close();
console.log('import: ok');
