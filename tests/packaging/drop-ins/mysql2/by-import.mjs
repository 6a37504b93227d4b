// What a user with ES modules writes.
import assert from 'node:assert/strict';
import mysql, { createPool, format } from '@millpond/mysql2';
import promises, { createPool as createPromisePool } from '@millpond/mysql2/promise';

assert.equal(mysql.createPool, createPool);
assert.equal(promises.createPool, createPromisePool);
assert.equal(format('SELECT ?', [1]), 'SELECT 1');
const pool = createPromisePool({ host: '127.0.0.1', port: 1, millpond: true });
await assert.rejects(pool.query('SELECT 1'), { code: 'ECONNREFUSED' });
await pool.end();
await assert.rejects(pool.getConnection(), { message: 'Pool is closed.' });
console.log('import: ok');
