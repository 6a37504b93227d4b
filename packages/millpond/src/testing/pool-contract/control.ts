// What the owner of a pool orders: evict, resize, pause, close.

import assert from 'node:assert/strict';
import type { PoolCase } from './case.ts';
import { expectFailure, expectServed, expectStats, expectWaiting, settled } from './expect.ts';

export const controlCases: readonly PoolCase[] = [
  {
    name: 'evict replaces the idle now, the borrowed on return, and the create under way when it arrives',
    needs: ['evict'],
    async run(play) {
      const scene = play({ options: { max: 4 } });
      const [idle] = await scene.fill(2);
      const [held] = await scene.borrow(1);
      const old = held!.resource;
      scene.factory.auto = false;
      const inTheWay = await scene.borrow(1);
      const waiter = scene.acquire();
      await scene.step();
      inTheWay[0]!.release();
      await scene.step();
      expectServed([waiter], [idle!.name]);
      waiter.release();
      await scene.step();
      scene.pool.evict();
      await scene.step();
      assert.equal(scene.factory.destroyed(idle!), 1);
      assert.equal(scene.factory.destroyed(old), 0);
      held!.release();
      scene.factory.auto = true;
      for (const call of scene.factory.pending) call.ok();
      await scene.step();
      assert.equal(scene.factory.destroyed(old), 1);
      const [fresh] = await scene.borrow(1);
      assert.ok(fresh!.lease.info.generation === scene.pool.stats().generation);
      assert.equal(scene.factory.alive().length, 1);
    },
  },
  {
    name: 'an evicted resource that comes back is replaced for who waits, without any further call',
    needs: ['evict'],
    async run(play) {
      const scene = play({ options: { max: 1 } });
      const [held] = await scene.borrow(1);
      const waiter = scene.acquire();
      await scene.step();
      scene.pool.evict();
      held!.release();
      await scene.step();
      expectServed([waiter], ['r2']);
    },
  },
  {
    name: 'growing serves waiters in that call; shrinking never takes a lease away',
    needs: ['resize'],
    async run(play) {
      const scene = play({ options: { max: 1 } });
      const first = await scene.borrow(1);
      const waiters = [scene.acquire(), scene.acquire()];
      await scene.step();
      scene.pool.resize({ max: 3 });
      assert.equal(scene.factory.creates, 3);
      await scene.step();
      expectServed(waiters, ['r2', 'r3']);
      scene.pool.resize({ max: 1 });
      await scene.step();
      expectStats(scene.pool, { borrowed: 3, size: 3 });
      for (const request of [...first, ...waiters]) {
        request.release();
        await scene.step();
      }
      expectStats(scene.pool, { idle: 1, size: 1 });
    },
  },
  {
    name: 'pause holds acquires and creates until resume; releases go on',
    needs: ['pause'],
    async run(play) {
      const scene = play({ options: { max: 2 } });
      const [held] = await scene.borrow(1);
      scene.pool.pause();
      const waiting = [scene.acquire(), scene.acquire()];
      held!.release();
      await scene.step();
      expectWaiting(...waiting);
      assert.equal(scene.factory.creates, 1);
      scene.pool.resume();
      await scene.step();
      expectServed(waiting, ['r1', 'r2']);
    },
  },
  {
    name: 'pause({ reject: true }) fails acquires at once',
    needs: ['pause'],
    async run(play) {
      const scene = play({ options: { max: 1 } });
      await scene.borrow(1);
      const before = scene.acquire();
      scene.pool.pause({ reject: true });
      const after = scene.acquire();
      await scene.step();
      expectFailure(before, 'ERR_POOL_PAUSED');
      expectFailure(after, 'ERR_POOL_PAUSED');
    },
  },
  {
    name: 'close fails waiters, destroys the idle, waits for the borrowed, and is one and the same promise',
    async run(play) {
      const scene = play({ options: { max: 2 } });
      const [idle] = await scene.fill(2);
      const [held] = await scene.borrow(1);
      const old = held!.resource;
      scene.factory.script.destroy.does('manual');
      const closing = scene.pool.close();
      assert.equal(scene.pool.close(), closing);
      const results: { readonly abandoned: readonly unknown[] }[] = [];
      void closing.then((result) => results.push(result));
      const late = scene.acquire();
      await scene.step();
      expectFailure(late, 'ERR_POOL_CLOSED');
      assert.equal(scene.factory.destroyed(idle!), 1);
      held!.release();
      await scene.step();
      assert.equal(scene.factory.destroyed(old), 1);
      assert.deepEqual(results, [], 'close ended before the last destroy');
      for (const call of scene.factory.script.destroy.pending) call.ok();
      await scene.step();
      assert.deepEqual(results, [{ abandoned: [] }]);
      assert.equal(scene.factory.live, 0);
      assert.equal(scene.clock.pending, 0, 'timers that are left');
    },
  },
  {
    name: 'close takes back by force what is out at its deadline, and says who held it',
    async run(play) {
      const scene = play({ options: { max: 1 } });
      const request = scene.acquire({ label: 'nightly report' });
      await scene.step();
      const resource = request.resource;
      const waiter = scene.acquire();
      const closing = scene.pool.close({ deadlineMs: 700 });
      await scene.step();
      expectFailure(waiter, 'ERR_POOL_CLOSED');
      await scene.adv(699);
      assert.equal(scene.factory.destroyed(resource), 0);
      await scene.adv(1);
      assert.equal(scene.factory.destroyed(resource), 1);
      const result = await settled(scene, 'close', closing);
      assert.equal(result.status, 'fulfilled');
      assert.deepEqual(
        result.value.abandoned.map(({ label, heldMs }) => ({ label, heldMs })),
        [{ label: 'nightly report', heldMs: 700 }],
      );
      assert.equal(request.lease.release(), false);
    },
  },
  {
    name: 'a create that arrives after close is destroyed',
    async run(play) {
      const scene = play({ options: { max: 1 }, prepare: (factory) => (factory.auto = false) });
      const request = scene.acquire();
      await scene.step();
      const closing = scene.pool.close();
      await scene.step();
      expectFailure(request, 'ERR_POOL_CLOSED');
      scene.factory.pending[0]!.ok();
      await scene.step();
      assert.equal(scene.factory.live, 0);
      assert.equal((await settled(scene, 'close', closing)).status, 'fulfilled');
      assert.throws(() => scene.pool.tryAcquire()!.resource, 'a closed pool lent something');
    },
  },
];
