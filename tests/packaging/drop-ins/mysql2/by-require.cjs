// Everything that mysql2 has is there, and the pool is another; also where this package has taken mysql2's name.
'use strict';

const assert = require('node:assert/strict');
const { cpSync, mkdirSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');
const mysql = require('@millpond/mysql2');
const original = require('mysql2');

for (const name of Object.getOwnPropertyNames(original)) assert.ok(name in mysql, name);
assert.equal(mysql.createConnection, original.createConnection);
assert.notEqual(mysql.createPool, original.createPool);
const pool = mysql.createPool({ host: '127.0.0.1', port: 1, connectionLimit: 2 });
assert.ok(pool instanceof original.Pool && 'getConnection' in pool && typeof pool.promise === 'function');

const modules = join(__dirname, 'renamed/node_modules');
mkdirSync(modules, { recursive: true });
cpSync(join(__dirname, 'node_modules/@millpond/mysql2'), join(modules, 'mysql2'), { recursive: true });
cpSync(join(__dirname, 'node_modules/mysql2'), join(modules, 'mysql2-original'), { recursive: true });
writeFileSync(join(__dirname, 'renamed/main.cjs'), '');
const renamed = createRequire(join(__dirname, 'renamed/main.cjs'));
assert.equal(renamed('mysql2').createConnection, renamed('mysql2-original').createConnection);
assert.notEqual(renamed('mysql2').createPool, renamed('mysql2-original').createPool);
assert.notEqual(renamed('mysql2/promise').createPool, renamed('mysql2-original/promise').createPool);

pool.query('SELECT 1', (error) => {
  assert.equal(error.code, 'ECONNREFUSED');
  pool.end(() => console.log('require: ok'));
});
