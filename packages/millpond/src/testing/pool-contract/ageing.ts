// Age, silence and death: what may still be lent, and what has to go.

import assert from 'node:assert/strict';
import type { PoolCase } from './case.ts';
import { expectFailure, expectServed, expectStats, expectWaiting } from './expect.ts';

export const ageingCases: readonly PoolCase[] = [
  {
    name: 'a resource is validated only when it was idle for longer than validateAfterIdleMs',
    async run(play) {
      const scene = play({ options: { max: 1, validateAfterIdleMs: 500 } });
      const [first] = await scene.borrow(1);
      await scene.adv(2000);
      first!.release();
      await scene.adv(500);
      const [second] = await scene.borrow(1);
      assert.equal(scene.factory.validates, 0);
      second!.release();
      await scene.adv(501);
      await scene.borrow(1);
      assert.equal(scene.factory.validates, 1);
    },
  },
  {
    name: 'stale resources are all destroyed and replaced without any delay',
    async run(play) {
      const scene = play({ options: { max: 3, validateAfterIdleMs: 100 } });
      await scene.fill(3);
      await scene.adv(5000);
      scene.factory.script.validate.does({ rejects: new Error('gone') });
      expectServed(await scene.borrow(1), ['r4']);
      assert.ok(scene.factory.validates <= 3, `validated ${scene.factory.validates} times`);
      assert.equal(scene.factory.live, 1);
    },
  },
  {
    name: 'a validation that hangs does not hold a caller beyond its deadline',
    async run(play) {
      const scene = play({ options: { max: 5, validateAfterIdleMs: 100, validateTimeoutMs: 250, flushOnStale: false } });
      await scene.fill(5);
      await scene.adv(5000);
      scene.factory.script.validate.does('manual');
      const request = scene.acquire({ timeoutMs: 600 });
      await scene.adv(600);
      assert.notEqual(request.state, 'waiting');
    },
  },
  {
    name: 'a resource whose validation hangs is destroyed at validateTimeoutMs, and replaced',
    async run(play) {
      const scene = play({ options: { max: 1, validateAfterIdleMs: 100, validateTimeoutMs: 250 } });
      const [hung] = await scene.fill(1);
      await scene.adv(5000);
      scene.factory.script.validate.does('manual');
      const request = scene.acquire();
      await scene.adv(249);
      expectWaiting(request);
      await scene.adv(1);
      expectServed([request], ['r2']);
      assert.equal(scene.factory.destroyed(hung!), 1);
      assert.equal(scene.factory.script.validate.calls[0]!.context.signal.aborted, true);
    },
  },
  {
    name: 'an idle resource that dies leaves at once; a borrowed one when it comes back, once',
    needs: ['onLost'],
    async run(play) {
      const scene = play({ options: { max: 2 } });
      const [idle, borrowed] = await scene.fill(2);
      const [request] = await scene.borrow(1);
      assert.equal(request!.resource, borrowed);
      scene.factory.lost(idle!);
      await scene.step();
      assert.equal(scene.factory.destroyed(idle!), 1);
      expectStats(scene.pool, { size: 1, borrowed: 1 });
      scene.factory.lost(borrowed!);
      scene.factory.lost(borrowed!);
      await scene.step();
      assert.equal(scene.factory.destroyed(borrowed!), 0);
      request!.release();
      await scene.step();
      assert.equal(scene.factory.destroyed(borrowed!), 1);
      expectStats(scene.pool, { size: 0 });
    },
  },
  {
    name: 'maxLifetimeMs retires the idle, and the borrowed only when it comes back',
    async run(play) {
      const scene = play({ options: { max: 2, maxLifetimeMs: 1000 } });
      await scene.fill(2);
      const [held] = await scene.borrow(1);
      await scene.adv(1000);
      expectStats(scene.pool, { idle: 0, borrowed: 1, size: 1 });
      await scene.adv(5000);
      assert.equal(held!.lease.ended, false);
      held!.release();
      await scene.step();
      expectStats(scene.pool, { size: 0 });
      assert.equal(scene.pool.stats().totals.destroyed.maxLifetime, 2);
    },
  },
  {
    name: 'idleTimeoutMs retires the least recently used, down to min',
    async run(play) {
      const scene = play({ options: { min: 2, max: 6, idleTimeoutMs: 1000 } });
      const leases = await scene.borrow(6);
      const resources = leases.map((request) => request.resource);
      for (const request of leases) {
        request.release();
        await scene.adv(1);
      }
      await scene.adv(2000);
      assert.deepEqual(scene.factory.alive(), resources.slice(4));
    },
  },
  {
    name: 'a resource goes after maxUses leases',
    async run(play) {
      const scene = play({ options: { max: 1, maxUses: 3 } });
      const names: string[] = [];
      for (let i = 0; i < 7; i++) {
        const [request] = await scene.borrow(1);
        names.push(request!.resource.name);
        request!.release();
        await scene.step();
      }
      assert.deepEqual(names, ['r1', 'r1', 'r1', 'r2', 'r2', 'r2', 'r3']);
    },
  },
  {
    name: 'keepalive validates idle resources, not borrowed ones, and does not make them look used',
    needs: ['keepalive'],
    async run(play) {
      const scene = play({ options: { max: 2, keepaliveIntervalMs: 300, idleTimeoutMs: 1000 } });
      await scene.fill(2);
      await scene.borrow(1);
      await scene.adv(999);
      assert.equal(scene.factory.validates, 3);
      await scene.adv(1);
      expectStats(scene.pool, { idle: 0, borrowed: 1, size: 1 });
    },
  },
  {
    name: 'who comes while the only idle resource is being pinged waits for it',
    needs: ['keepalive'],
    async run(play) {
      const scene = play({ options: { max: 1, keepaliveIntervalMs: 300 } });
      await scene.fill(1);
      scene.factory.script.validate.does('manual');
      await scene.adv(300);
      const request = scene.acquire();
      await scene.step();
      expectWaiting(request);
      scene.factory.script.validate.pending[0]!.ok();
      await scene.step();
      expectServed([request], ['r1']);
    },
  },
  {
    name: 'an acquire that was aborted while its resource was validated gives it back',
    async run(play) {
      const scene = play({ options: { max: 1, validateAfterIdleMs: 0 } });
      await scene.fill(1);
      await scene.adv(10);
      scene.factory.script.validate.does('manual');
      const request = scene.acquire({ timeoutMs: 50 });
      await scene.adv(50);
      expectFailure(request, 'ERR_POOL_ACQUIRE_TIMEOUT');
      scene.factory.script.validate.pending[0]!.ok();
      await scene.step();
      expectStats(scene.pool, { idle: 1, validating: 0, size: 1 });
    },
  },
];
