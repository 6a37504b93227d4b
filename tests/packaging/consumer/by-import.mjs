// What a user with ES modules writes. Run inside a folder where only the packed tarball is installed.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { Pool, PoolClosedError, PoolError } from 'millpond';
import { captureStacksFor, leakReport } from 'millpond/debug';
import { fleetBudget, newFleet, step } from 'millpond/fleet';
import * as mysql from 'millpond/mysql';
import { instrumentPools } from 'millpond/otel';
import * as pg from 'millpond/pg';
import { prometheusText } from 'millpond/prometheus';
import { createRedisPool } from 'millpond/redis';
import { createTcpPool } from 'millpond/tcp';
import { VirtualClock } from 'millpond/testing';

assert.equal(typeof pg.createPgPool, 'function');
assert.equal(typeof createTcpPool, 'function');
// Neither driver is here, and none is needed until somebody makes a client.
assert.throws(() => createRedisPool({}), { code: 'ERR_POOL_INVALID_OPTION', option: 'client' });
assert.equal(typeof mysql.createMysqlPool, 'function');
assert.equal(mysql.ConnectionLostError, pg.ConnectionLostError);
assert.equal(typeof VirtualClock, 'function');

const fleet = newFleet();
const alone = fleetBudget({ heartbeat: async (request) => step(fleet, request, 0, 'here') }, { limit: 3, floor: 1, members: 1 });
assert.equal(alone.join({ name: 'alone', held: () => 0, demand: () => 0 }).limit, 1);

let destroyed = 0;
const pool = new Pool({ max: 1, factory: { create: () => ({ answer: 42 }), destroy: () => { destroyed += 1; } } });
assert.equal(await pool.use((resource) => resource.answer), 42);
captureStacksFor(10)();
assert.match(prometheusText({ pools: (each) => each === pool }), /^millpond_creates_total\{pool="pool-\d+"\} 1$/m);
assert.throws(() => instrumentPools({}), { code: 'ERR_POOL_INVALID_OPTION' });
const lease = await pool.acquire();
assert.equal(leakReport().pools.find(({ pool: name }) => name === pool.name).holders.length, 1);
const waiting = pool.acquire();
lease.release();
(await waiting).release();
await pool.close();
assert.equal(destroyed, 1);
await assert.rejects(pool.acquire(), (error) => error instanceof PoolClosedError && PoolError.is(error));

// Both ways of loading give one module, so that `instanceof` works across them.
assert.equal(createRequire(import.meta.url)('millpond').Pool, Pool);
console.log('import: ok');
