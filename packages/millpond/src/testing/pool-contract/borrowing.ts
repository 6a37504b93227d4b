// Lending and taking back: one borrower at a time, never more than `max`, and a lease that is over stays over.

import assert from 'node:assert/strict';
import type { PoolCase } from './case.ts';
import { codeOf, expectServed, expectStats, expectWaiting, settled } from './expect.ts';

export const borrowingCases: readonly PoolCase[] = [
  {
    name: 'what was given back is lent again',
    async run(play) {
      const scene = play({ options: { max: 1 } });
      const first = scene.acquire();
      await scene.step();
      assert.equal(first.release(), true);
      const second = scene.acquire();
      await scene.step();
      expectServed([second], ['r1']);
      assert.equal(scene.factory.creates, 1);
    },
  },
  {
    name: 'twenty callers share four resources in four turns, never more than four at once',
    async run(play) {
      const scene = play({ options: { max: 4, acquireTimeoutMs: 10_000 } });
      const requests = Array.from({ length: 20 }, () => scene.acquire());
      for (let turn = 0; turn < 5; turn++) {
        await scene.step();
        assert.equal(requests.filter((request) => request.state === 'served').length, 4 * (turn + 1));
        await scene.adv(500);
        for (const request of requests.slice(4 * turn, 4 * turn + 4)) request.release();
      }
      await scene.step();
      assert.equal(scene.factory.creates, 4);
      assert.equal(scene.factory.maxFootprint, 4);
    },
  },
  {
    name: 'a second release by an old borrower does not touch the new one',
    async run(play) {
      const scene = play({ options: { max: 1 } });
      const old = scene.acquire();
      await scene.step();
      const lease = old.lease;
      lease.release();
      const current = scene.acquire();
      await scene.step();
      assert.equal(lease.release(), false);
      assert.equal(lease.destroy(), false);
      const next = scene.acquire();
      await scene.step();
      expectWaiting(next);
      expectServed([current], ['r1']);
      expectStats(scene.pool, { borrowed: 1, waiting: 1 });
      assert.equal(scene.factory.destroys, 0);
      assert.ok(scene.pool.stats().totals.staleReleases >= 1, 'late ends are counted');
      assert.equal(codeOf(() => lease.resource), 'ERR_POOL_LEASE_ENDED');
    },
  },
  {
    name: 'idle resources are lent last in, first out',
    async run(play) {
      const scene = play({ options: { max: 3 } });
      const [r1, r2, r3] = await scene.borrow(3);
      for (const request of [r2, r3, r1]) request!.release();
      expectServed(await scene.borrow(3), ['r1', 'r3', 'r2']);
    },
  },
  {
    name: 'tryAcquire lends what is idle at once, and neither waits nor creates',
    async run(play) {
      const scene = play({ options: { max: 1 } });
      assert.equal(scene.pool.tryAcquire(), undefined);
      await scene.step();
      assert.equal(scene.factory.creates, 0);
      await scene.fill(1);
      const lease = scene.pool.tryAcquire();
      assert.equal(lease?.resource.name, 'r1');
      assert.equal(scene.pool.tryAcquire(), undefined);
      expectStats(scene.pool, { borrowed: 1, waiting: 0 });
      lease?.release();
      await scene.step();
      expectStats(scene.pool, { idle: 1 });
    },
  },
  {
    name: 'use gives back after a result, a rejection and a throw',
    async run(play) {
      const scene = play({ options: { max: 1 } });
      const error = new Error('of the caller');
      const throws = (): never => {
        throw error;
      };
      assert.deepEqual(await settled(scene, 'use', scene.pool.use((resource) => resource.name)), { status: 'fulfilled', value: 'r1' });
      assert.deepEqual(await settled(scene, 'use', scene.pool.use(() => Promise.reject(error))), { status: 'rejected', reason: error });
      assert.deepEqual(await settled(scene, 'use', scene.pool.use(throws)), { status: 'rejected', reason: error });
      await scene.step();
      expectStats(scene.pool, { idle: 1, size: 1 });
    },
  },
  {
    name: 'a destroyed lease is replaced for the next waiter, and its resource counts until it is gone',
    async run(play) {
      const scene = play({ options: { max: 1 } });
      scene.factory.script.destroy.does('manual');
      const [held] = await scene.borrow(1);
      const resource = held!.resource;
      const next = scene.acquire();
      await scene.step();
      assert.equal(held!.lease.destroy(), true);
      await scene.step();
      expectStats(scene.pool, { destroying: 1, creating: 0, waiting: 1 });
      scene.factory.script.destroy.pending[0]!.ok();
      await scene.step();
      expectServed([next], ['r2']);
      assert.equal(scene.factory.maxFootprint, 1);
      assert.equal(scene.factory.reason(resource), 'leaseDestroyed');
    },
  },
  {
    name: 'a destroy that never ends frees its place after destroyTimeoutMs',
    async run(play) {
      const scene = play({ options: { max: 1, destroyTimeoutMs: 200 } });
      scene.factory.script.destroy.does('manual');
      const [held] = await scene.borrow(1);
      held!.lease.destroy();
      const next = scene.acquire();
      await scene.adv(199);
      expectWaiting(next);
      await scene.adv(1);
      expectServed([next], ['r2']);
      assert.equal(scene.pool.stats().totals.destroyTimeouts, 1);
    },
  },
  {
    name: 'a resource that says it is broken is destroyed on return',
    async run(play) {
      const scene = play({ options: { max: 1 } });
      const [held] = await scene.borrow(1);
      const resource = held!.resource;
      scene.factory.broken.add(resource);
      held!.release();
      await scene.step();
      assert.equal(scene.factory.destroyed(resource), 1);
      expectServed(await scene.borrow(1), ['r2']);
    },
  },
  {
    name: 'a detached resource leaves the accounting, and its place is free',
    needs: ['detach'],
    async run(play) {
      const scene = play({ options: { max: 1 } });
      const [held] = await scene.borrow(1);
      const next = scene.acquire();
      await scene.step();
      assert.equal(held!.lease.detach().name, 'r1');
      await scene.step();
      expectServed([next], ['r2']);
      assert.equal(scene.factory.destroys, 0);
      assert.equal(scene.pool.stats().totals.detached, 1);
    },
  },
  {
    name: 'reset cleans before the next borrower, and a failed reset destroys',
    async run(play) {
      const scene = play({ options: { max: 1 }, factory: { reset: true } });
      scene.factory.script.reset.does('manual');
      const [first] = await scene.borrow(1);
      const second = scene.acquire();
      await scene.step();
      first!.release();
      await scene.step();
      expectWaiting(second);
      expectStats(scene.pool, { resetting: 1 });
      scene.factory.script.reset.pending[0]!.ok();
      await scene.step();
      expectServed([second], ['r1']);
      const dirty = second.resource;
      const third = scene.acquire();
      second.release();
      await scene.step();
      scene.factory.script.reset.pending[0]!.fail(new Error('still dirty'));
      await scene.step();
      expectServed([third], ['r2']);
      assert.equal(scene.factory.reason(dirty), 'resetFailed');
    },
  },
  {
    name: 'with sharing a resource carries so many leases and no more',
    needs: ['sharing'],
    async run(play) {
      const scene = play({ options: { max: 1, sharing: 3 } });
      const leases = await scene.borrow(3);
      expectServed(leases, ['r1', 'r1', 'r1']);
      const fourth = scene.acquire();
      await scene.step();
      expectWaiting(fourth);
      expectStats(scene.pool, { borrowed: 1, size: 1 });
      leases[1]!.release();
      await scene.step();
      expectServed([fourth], ['r1']);
    },
  },
  {
    name: 'a lease held too long is reported once, and once more when it comes back',
    needs: ['leaks'],
    async run(play) {
      const scene = play({ options: { max: 1, leakThresholdMs: 2000 } });
      const seen: string[] = [];
      scene.pool.on('leak', () => seen.push(`leak at ${scene.clock.now()}`));
      scene.pool.on('unleak', () => seen.push(`unleak at ${scene.clock.now()}`));
      const [held] = await scene.borrow(1);
      await scene.adv(6000);
      held!.release();
      await scene.step();
      assert.deepEqual(seen, ['leak at 2000', 'unleak at 6000']);
    },
  },
];
