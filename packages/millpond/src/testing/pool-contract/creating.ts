// Creating: only on demand, never too many at once, and a failure costs no place and no waiter.

import assert from 'node:assert/strict';
import type { PoolCase } from './case.ts';
import { expectFailure, expectServed, expectStats, expectWaiting } from './expect.ts';

const refused = new Error('connection refused');

export const creatingCases: readonly PoolCase[] = [
  {
    name: 'a create whose requester has left lands in the pool',
    async run(play) {
      const scene = play({ options: { max: 1 }, prepare: (factory) => (factory.auto = false) });
      const left = scene.acquire({ timeoutMs: 100 });
      await scene.adv(101);
      expectFailure(left, 'ERR_POOL_ACQUIRE_TIMEOUT');
      scene.factory.pending[0]!.ok();
      await scene.step();
      expectStats(scene.pool, { idle: 1, size: 1 });
      expectServed(await scene.borrow(1), ['r1']);
      assert.equal(scene.factory.creates, 1);
    },
  },
  {
    name: 'a return serves a waiter whose own create is still running',
    async run(play) {
      const scene = play({ options: { max: 2 } });
      const [held] = await scene.borrow(1);
      scene.factory.auto = false;
      const waiter = scene.acquire();
      await scene.step();
      assert.equal(scene.factory.creates, 2);
      held!.release();
      await scene.step();
      expectServed([waiter], ['r1']);
      scene.factory.pending[0]!.ok();
      await scene.step();
      expectStats(scene.pool, { idle: 1, borrowed: 1 });
      assert.equal(scene.factory.creates, 2);
    },
  },
  {
    name: 'at most maxCreating creates run at once',
    async run(play) {
      const scene = play({ options: { max: 10, maxCreating: 2 }, prepare: (factory) => (factory.auto = false) });
      const requests = Array.from({ length: 10 }, () => scene.acquire());
      for (let done = 0; done < 10; done++) {
        await scene.step();
        assert.equal(scene.factory.creates, Math.min(10, done + 2));
        scene.factory.pending[0]!.ok();
      }
      await scene.step();
      for (const request of requests) assert.equal(request.state, 'served');
      assert.equal(scene.factory.maxConcurrentCreates, 2);
    },
  },
  {
    name: 'failed creates cost no place',
    async run(play) {
      const scene = play({ options: { max: 2 }, prepare: (factory) => factory.failCreates(refused) });
      for (let i = 0; i < 100; i++) {
        const request = scene.acquire();
        await scene.step();
        expectFailure(request, 'ERR_POOL_CREATE_FAILED');
      }
      expectStats(scene.pool, { size: 0, creating: 0 });
      scene.factory.auto = true;
      expectServed(await scene.borrow(2), ['r1', 'r2']);
    },
  },
  {
    name: 'when every create fails every waiter hears of it, with the cause',
    async run(play) {
      const scene = play({ options: { max: 2 }, prepare: (factory) => factory.failCreates(refused) });
      const requests = Array.from({ length: 6 }, () => scene.acquire());
      await scene.step();
      for (const request of requests) {
        expectFailure(request, 'ERR_POOL_CREATE_FAILED');
        assert.equal((request.error as Error).cause, refused);
      }
      expectStats(scene.pool, { size: 0, waiting: 0 });
      assert.equal(scene.clock.now(), 0);
    },
  },
  {
    name: 'with createRetry a transient failure is tried again after a growing delay, within the deadline',
    async run(play) {
      const createRetry = { initialDelayMs: 100, factor: 2, maxDelayMs: 1000, jitter: 0 };
      const scene = play({ options: { max: 1, createRetry, acquireTimeoutMs: 5000 }, prepare: (factory) => factory.failCreates(refused) });
      const at: number[] = [];
      scene.factory.observe((hook) => void (hook === 'create' && at.push(scene.clock.now())));
      const request = scene.acquire();
      await scene.adv(2000);
      assert.deepEqual(at, [0, 100, 300, 700, 1500]);
      expectWaiting(request);
      scene.factory.auto = true;
      await scene.adv(500);
      expectServed([request], ['r1']);
    },
  },
  {
    name: 'waiting for a factory that keeps failing ends on time and tells why',
    async run(play) {
      const createRetry = { initialDelayMs: 100, factor: 2, maxDelayMs: 1000, jitter: 0 };
      const scene = play({ options: { max: 1, createRetry }, prepare: (factory) => factory.failCreates(refused) });
      const request = scene.acquire();
      await scene.adv(1000);
      expectFailure(request, 'ERR_POOL_ACQUIRE_TIMEOUT');
      assert.equal((request.error as Error).cause, refused);
    },
  },
  {
    name: 'a permanent failure is told at once and not tried again',
    async run(play) {
      const scene = play({
        options: { max: 1, createRetry: {} },
        factory: { classify: () => 'permanent' },
        prepare: (factory) => factory.failCreates(refused),
      });
      const request = scene.acquire();
      await scene.step();
      expectFailure(request, 'ERR_POOL_CREATE_FAILED');
      await scene.adv(60_000);
      assert.equal(scene.factory.creates, 1);
    },
  },
  {
    name: 'a create that outlives createTimeoutMs is given up, and what it yields later is destroyed',
    async run(play) {
      const scene = play({ options: { max: 1, createTimeoutMs: 500 }, prepare: (factory) => (factory.auto = false) });
      const request = scene.acquire();
      await scene.adv(500);
      expectFailure(request, 'ERR_POOL_CREATE_TIMEOUT');
      const late = scene.factory.pending[0]!;
      assert.equal(late.context.signal.aborted, true);
      expectStats(scene.pool, { size: 0 });
      await scene.adv(400);
      late.ok();
      await scene.step();
      assert.equal(scene.factory.live, 0);
      expectStats(scene.pool, { size: 0, idle: 0 });
    },
  },
  {
    name: 'a hook that throws synchronously counts as one that rejects',
    async run(play) {
      const scene = play({ options: { max: 1, validateAfterIdleMs: 0 }, factory: { reset: true } });
      const { create, validate, reset, destroy } = scene.factory.script;
      create.next({ throws: refused });
      const failed = scene.acquire();
      await scene.step();
      expectFailure(failed, 'ERR_POOL_CREATE_FAILED');
      const [first] = await scene.borrow(1);
      reset.next({ throws: refused });
      destroy.next({ throws: refused });
      first!.release();
      await scene.step();
      expectStats(scene.pool, { size: 0 });
      await scene.fill(1);
      await scene.adv(1);
      validate.next({ throws: refused });
      expectServed(await scene.borrow(1), ['r3']);
    },
  },
  {
    name: 'min is filled at the start, and again by itself after an outage',
    async run(play) {
      const createRetry = { initialDelayMs: 100, factor: 2, maxDelayMs: 1000, jitter: 0 };
      const scene = play({ options: { min: 3, max: 4, createRetry } });
      await scene.step();
      expectStats(scene.pool, { idle: 3 });
      scene.factory.failCreates(refused);
      const held = await scene.borrow(3);
      for (const request of held) request.lease.destroy();
      await scene.adv(60_000);
      expectStats(scene.pool, { size: 0 });
      scene.factory.auto = true;
      await scene.adv(1000);
      expectStats(scene.pool, { idle: 3 });
    },
  },
  {
    name: 'an open breaker fails acquires at once, probes one at a time, and closes by itself',
    needs: ['breaker'],
    async run(play) {
      const scene = play({
        options: { max: 2, breaker: { failures: 3, probeIntervalMs: 1000 } },
        prepare: (factory) => factory.failCreates(refused),
      });
      for (let i = 0; i < 3; i++) {
        scene.acquire();
        await scene.step();
      }
      assert.equal(scene.pool.state, 'unavailable');
      const creates = scene.factory.creates;
      const denied = scene.acquire();
      await scene.step();
      expectFailure(denied, 'ERR_POOL_UNAVAILABLE');
      assert.equal(scene.factory.creates, creates);
      await scene.adv(3000);
      assert.equal(scene.factory.creates, creates + 3);
      scene.factory.auto = true;
      await scene.adv(1000);
      assert.equal(scene.pool.state, 'open');
      expectStats(scene.pool, { idle: 1 });
    },
  },
];
