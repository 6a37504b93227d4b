// What a user with ES modules writes. Both ways of loading give one class.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import pg from 'pg';
import Pool, { Pool as named } from 'pg-pool';

assert.equal(Pool, named);
assert.equal(Pool, createRequire(import.meta.url)('pg-pool'));
assert.equal(Object.getPrototypeOf(pg.Pool), Pool);
await assert.rejects(new Pool({ host: '127.0.0.1', port: 1 }).connect(), { code: 'ECONNREFUSED' });
const pool = new Pool({ millpond: true });
assert.equal(pool.millpond.stats().max, 10);
await pool.end();
await assert.rejects(pool.connect(), { message: 'Cannot use a pool after calling end on the pool' });
console.log('import: ok');
