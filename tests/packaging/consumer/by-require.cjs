// What a user with CommonJS writes: `require()` of ES modules works from Node 20.19 on.
'use strict';

const assert = require('node:assert/strict');
const { Pool } = require('millpond');
const { redisBudget } = require('millpond/fleet');
const { createMysqlPool } = require('millpond/mysql');
const { createPgPool } = require('millpond/pg');
const { prometheusText } = require('millpond/prometheus');
const { debugOnSignal } = require('millpond/debug');
const { instrumentPools } = require('millpond/otel');
const { VirtualClock } = require('millpond/testing');

assert.equal(typeof redisBudget, 'function');
assert.equal(typeof createPgPool, 'function');
assert.equal(typeof createMysqlPool, 'function');
assert.equal(typeof VirtualClock, 'function');
assert.equal(typeof debugOnSignal, 'function');
assert.equal(typeof instrumentPools, 'function');
assert.equal(prometheusText(), '');

const pool = new Pool({ factory: { create: () => ({}), destroy: () => {} }, min: 1, idleTimeoutMs: 60_000 });
pool.use((resource) => assert.deepEqual(resource, {})).then(() => {
  // Not closed on purpose: the timers of an idle pool do not keep the process alive.
  console.log('require: ok');
}, (error) => {
  console.error(error);
  process.exitCode = 1;
});
