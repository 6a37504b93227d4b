const assert = require('node:assert/strict');
const { AggregateError, Pool, TimeoutError } = require('sequelize-pool');

for (const each of [AggregateError, Pool, TimeoutError]) assert.equal(typeof each, 'function');
console.log('require: ok');
