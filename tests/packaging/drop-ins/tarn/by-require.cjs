// The seam: knex, as it comes from npm, derives its pool from whatever `require('tarn')` is, and tells a time-out by its class.
'use strict';

const assert = require('node:assert/strict');
const tarn = require('tarn');
const createKnex = require('knex');

assert.deepEqual(Object.keys(tarn), ['Pool', 'TimeoutError']);
class Echo extends createKnex.Client {
  _driver() { return {}; }
  async acquireRawConnection() { return { lines: 0 }; }
  async destroyRawConnection() {}
  async _query(connection, query) { return { ...query, response: [{ line: ++connection.lines }] }; }
  processResponse(query) { return query.response; }
}
Object.assign(Echo.prototype, { driverName: 'echo', dialect: 'echo' });
const log = { warn: () => undefined };
const pool = { min: 0, max: 1, acquireTimeoutMillis: 50, millpond: { endDeadlineMs: 1000 } };
const knex = createKnex({ client: Echo, connection: {}, log, pool });
void (async () => {
  assert.ok(knex.client.pool instanceof tarn.Pool);
  assert.deepEqual(await knex.raw('select 1'), [{ line: 1 }]);
  const held = await knex.client.acquireConnection();
  await assert.rejects(knex.raw('select 1'), { name: 'KnexTimeoutError' });
  await knex.client.releaseConnection(held);
  assert.deepEqual(await knex.raw('select 1'), [{ line: 2 }]);
  await knex.destroy();
  console.log('require: ok');
})();
