// The seam: node-postgres, as it comes from npm, derives its Pool from whatever `require('pg-pool')` is.
'use strict';

const assert = require('node:assert/strict');
const Pool = require('pg-pool');
const pg = require('pg');

assert.equal(typeof Pool, 'function');
assert.equal(Object.getPrototypeOf(pg.Pool), Pool);
assert.equal(typeof Pool.prototype.connect, 'function');
const pool = new pg.Pool({ host: '127.0.0.1', port: 1, max: 2, password: 'secret' });
assert.ok(pool instanceof Pool && pool instanceof pg.Pool);
assert.equal(pool.Client, pg.Client);
assert.equal(JSON.stringify(pool.options).includes('secret'), false);
assert.equal(new Pool().Client, pg.Client);
pool.query('SELECT 1', (error) => {
  assert.equal(error.code, 'ECONNREFUSED');
  pool.end(() => console.log('require: ok'));
});
