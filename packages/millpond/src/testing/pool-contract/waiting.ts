// The queue: first come, first served; one deadline; whoever left is never served.

import assert from 'node:assert/strict';
import type { PoolCase } from './case.ts';
import { expectFailure, expectServed, expectStats, expectWaiting } from './expect.ts';

export const waitingCases: readonly PoolCase[] = [
  {
    name: 'waiters are served in the order in which they came',
    async run(play) {
      const scene = play({ options: { max: 1 } });
      const requests = [...(await scene.borrow(1)), ...Array.from({ length: 4 }, () => scene.acquire())];
      for (let i = 0; i < 4; i++) {
        expectWaiting(...requests.slice(i + 1));
        requests[i]!.release();
        await scene.step();
      }
      expectServed([requests[4]!], ['r1']);
    },
  },
  {
    name: 'nobody barges in between a release and its waiter',
    async run(play) {
      const scene = play({ options: { max: 1 } });
      const [held] = await scene.borrow(1);
      const first = scene.acquire();
      await scene.step();
      held!.release();
      assert.equal(scene.pool.tryAcquire(), undefined);
      const second = scene.acquire();
      await scene.step();
      expectServed([first], ['r1']);
      expectWaiting(second);
    },
  },
  {
    name: 'an aborted acquire rejects with the reason itself, leaves the queue and takes nothing with it',
    async run(play) {
      const scene = play({ options: { max: 1 } });
      const [held] = await scene.borrow(1);
      const abort = new AbortController();
      const first = scene.acquire();
      const leaves = scene.acquire({ signal: abort.signal });
      const last = scene.acquire();
      await scene.step();
      const reason = { any: 'value' };
      abort.abort(reason);
      await scene.step();
      assert.equal(leaves.error, reason);
      expectStats(scene.pool, { waiting: 2 });
      held!.release();
      await scene.step();
      first.release();
      await scene.step();
      expectServed([last], ['r1']);
    },
  },
  {
    name: 'a signal that has aborted already touches nothing',
    async run(play) {
      const scene = play({ options: { max: 2, validateAfterIdleMs: 0 } });
      await scene.fill(1);
      await scene.adv(10);
      const request = scene.acquire({ signal: AbortSignal.abort('gone') });
      await scene.step();
      assert.equal(request.error, 'gone');
      expectStats(scene.pool, { idle: 1, borrowed: 0, waiting: 0 });
      assert.equal(scene.factory.validates, 0);
      assert.equal(scene.factory.creates, 1);
    },
  },
  {
    name: 'a waiter times out at its deadline and not before',
    async run(play) {
      const scene = play({ options: { max: 1 } });
      await scene.borrow(1);
      const usual = scene.acquire();
      const own = scene.acquire({ timeoutMs: 300 });
      await scene.adv(299);
      expectWaiting(usual, own);
      await scene.adv(1);
      expectFailure(own, 'ERR_POOL_ACQUIRE_TIMEOUT');
      await scene.adv(699);
      expectWaiting(usual);
      await scene.adv(1);
      expectFailure(usual, 'ERR_POOL_ACQUIRE_TIMEOUT');
      expectStats(scene.pool, { waiting: 0, borrowed: 1 });
    },
  },
  {
    name: 'waiters that have timed out are passed over, however many they are',
    async run(play) {
      const scene = play({ options: { max: 1 } });
      const [held] = await scene.borrow(1);
      const short = Array.from({ length: 500 }, () => scene.acquire({ timeoutMs: 100 }));
      const long = scene.acquire({ timeoutMs: 10_000 });
      await scene.adv(101);
      for (const request of short) expectFailure(request, 'ERR_POOL_ACQUIRE_TIMEOUT');
      expectStats(scene.pool, { waiting: 1 });
      held!.release();
      await scene.step();
      expectServed([long], ['r1']);
    },
  },
  {
    name: 'after a stall a waiter whose deadline has passed is not served',
    async run(play) {
      const scene = play({ options: { max: 1 } });
      const [held] = await scene.borrow(1);
      const late = scene.acquire({ timeoutMs: 100 });
      const patient = scene.acquire({ timeoutMs: 10_000 });
      await scene.step();
      // Overdue together with the deadline, and earlier: when the loop runs again the release comes first.
      scene.clock.schedule(50, () => held!.release());
      await scene.clock.stall(500);
      await scene.step();
      expectFailure(late, 'ERR_POOL_ACQUIRE_TIMEOUT');
      expectServed([patient], ['r1']);
    },
  },
  {
    name: 'maxWaiting bounds the queue, and who leaves makes room',
    async run(play) {
      const scene = play({ options: { max: 1, maxWaiting: 3 } });
      await scene.borrow(1);
      const abort = new AbortController();
      const waiting = [scene.acquire(), scene.acquire({ signal: abort.signal }), scene.acquire()];
      const refused = scene.acquire();
      await scene.step();
      expectWaiting(...waiting);
      expectFailure(refused, 'ERR_POOL_QUEUE_FULL');
      abort.abort();
      await scene.step();
      const accepted = scene.acquire();
      await scene.step();
      expectWaiting(accepted);
    },
  },
  {
    name: 'maxWaiting 0 still lets an acquire wait for its own create',
    async run(play) {
      const scene = play({ options: { max: 2, maxWaiting: 0 }, prepare: (factory) => (factory.auto = false) });
      const requests = [scene.acquire(), scene.acquire()];
      const third = scene.acquire();
      await scene.step();
      expectWaiting(...requests);
      expectFailure(third, 'ERR_POOL_QUEUE_FULL');
      for (const call of scene.factory.pending) call.ok();
      await scene.step();
      expectServed(requests, ['r1', 'r2']);
    },
  },
];
