// Rule 14: lanes.

import { withLane, type InvalidOptionError } from 'millpond';
import type { Request, ScriptedResource } from 'millpond/testing';
import { expect, test } from 'vitest';
import { expectStats, play, type Stage } from './scenarios/play.ts';

const LANES = { high: { share: 8 }, low: { share: 2 } };

function ask(scene: Stage, lane: string, count: number): Request<ScriptedResource>[] {
  return Array.from({ length: count }, () => scene.acquire({ lane }));
}

const served = (requests: readonly Request<ScriptedResource>[]): number => requests.filter((request) => request.state === 'served').length;

test('a lane below its share goes first, whoever came before it', async () => {
  const scene = play({ max: 10, lanes: LANES, headroom: 0 });
  const low = ask(scene, 'low', 10);
  await scene.step();
  expect(served(low)).toBe(10);
  const lowWaiting = ask(scene, 'low', 5);
  const highWaiting = ask(scene, 'high', 5);
  await scene.step();
  for (const request of low.slice(0, 5)) request.release();
  await scene.step();
  expect([served(highWaiting), served(lowWaiting)]).toEqual([5, 0]);
});

test('and the low lane has the same guarantee against the high one', async () => {
  const scene = play({ max: 10, lanes: LANES });
  const high = ask(scene, 'high', 10);
  await scene.step();
  expect(served(high)).toBe(10);
  const more = ask(scene, 'high', 10);
  const low = ask(scene, 'low', 4);
  await scene.step();
  for (const request of high.slice(0, 2)) request.release();
  await scene.step();
  expect([served(low), served(more)]).toEqual([2, 0]);
});

test('inside a lane the order is that of arrival', async () => {
  const scene = play({ max: 1, lanes: LANES, headroom: 0 });
  const [held] = ask(scene, 'high', 1);
  await scene.step();
  const order: string[] = [];
  for (const [lane, label] of [['low', 'l1'], ['high', 'h1'], ['low', 'l2'], ['high', 'h2']] as const) {
    void scene.acquire({ lane }).promise.then((lease) => {
      order.push(label);
      lease.release();
    });
  }
  await scene.step();
  held!.release();
  await scene.step();
  expect(order.filter((label) => label.startsWith('l'))).toEqual(['l1', 'l2']);
  expect(order.filter((label) => label.startsWith('h'))).toEqual(['h1', 'h2']);
});

test('what is left over goes by connection time used in proportion to the share, not by the number of leases', async () => {
  const scene = play({ max: 2, lanes: { a: { share: 1 }, b: { share: 1 } }, headroom: 0, acquireTimeoutMs: 1_000_000 });
  const time = { a: 0, b: 0 };
  const hold = { a: 10, b: 90 };
  const again = (lane: 'a' | 'b'): void => {
    void scene.acquire({ lane }).promise.then((lease) => {
      scene.clock.schedule(scene.clock.now() + hold[lane], () => {
        time[lane] += hold[lane];
        lease.release();
        again(lane);
      });
    });
  };
  for (let i = 0; i < 4; i++) {
    again('a');
    again('b');
  }
  await scene.adv(20_000);
  expect(time.a / time.b).toBeGreaterThan(0.8);
  expect(time.a / time.b).toBeLessThan(1.25);
});

test('borrowLimit bounds what a lane takes beyond its share', async () => {
  const scene = play({ max: 10, lanes: { high: { share: 8 }, low: { share: 2, borrowLimit: 1 } }, headroom: 0 });
  const low = ask(scene, 'low', 10);
  await scene.step();
  expect(served(low)).toBe(3);
  expectStats(scene, { size: 3 });
  const high = ask(scene, 'high', 10);
  await scene.step();
  expect(served(high)).toBe(7);
});

test('a lane that is not lendable keeps its share free for itself', async () => {
  const scene = play({ max: 10, lanes: { high: { share: 8 }, low: { share: 2, lendable: false } }, headroom: 0 });
  const high = ask(scene, 'high', 10);
  await scene.step();
  expect(served(high)).toBe(8);
  const low = ask(scene, 'low', 2);
  await scene.step();
  expect(served(low)).toBe(2);
});

test('headroom is kept for a higher lane only: the highest takes all', async () => {
  const scene = play({ max: 10, lanes: LANES, headroom: 0.5 });
  const high = ask(scene, 'high', 10);
  await scene.step();
  expect(served(high)).toBe(10);
});

test('headroom is at least one resource, and a lane gets its own share in spite of it', async () => {
  const scene = play({ max: 2, lanes: { high: { share: 1 }, low: { share: 1 } } });
  const low = ask(scene, 'low', 2);
  await scene.step();
  expect(served(low)).toBe(1);
  const high = ask(scene, 'high', 1);
  await scene.step();
  expect(served(high)).toBe(1);
});

test('a higher lane that has been silent for a while no longer keeps headroom', async () => {
  const scene = play({ max: 10, lanes: LANES, acquireTimeoutMs: 1_000_000 });
  const low = ask(scene, 'low', 12);
  await scene.step();
  expect(served(low)).toBe(8);
  await scene.adv(60_000);
  expect(served(low)).toBe(10);
  expectStats(scene, { borrowed: 10, waiting: 2 });
});

test('a silence earns no credit', async () => {
  const scene = play({ max: 1, lanes: { a: { share: 1 }, b: { share: 1 } }, headroom: 0, acquireTimeoutMs: 1_000_000 });
  const [held] = ask(scene, 'a', 1);
  await scene.adv(100_000);
  held!.release();
  await scene.step();
  // b was away all the time; from now on both want the one resource all the time.
  const time = { a: 0, b: 0 };
  const again = (lane: 'a' | 'b'): void => {
    void scene.acquire({ lane }).promise.then((lease) => {
      scene.clock.schedule(scene.clock.now() + 10, () => {
        time[lane] += 10;
        lease.release();
        again(lane);
      });
    });
  };
  for (const lane of ['a', 'b', 'a', 'b'] as const) again(lane);
  await scene.adv(2000);
  expect(time.a).toBeGreaterThan(0.3 * time.b);
});

test('the lane travels by async context, and one that is named outright wins', async () => {
  const scene = play({ max: 10, lanes: { first: { share: 1 }, batch: { share: 1, borrowLimit: 0 } }, headroom: 0 });
  const inBatch = await withLane('batch', async () => {
    await Promise.resolve();
    const all = Array.from({ length: 7 }, () => scene.acquire());
    const named = Array.from({ length: 3 }, () => scene.acquire({ lane: 'first' }));
    await scene.step();
    return { all, named };
  });
  expect(served(inBatch.all)).toBe(5); // the share, and nothing borrowed
  expect(served(inBatch.named)).toBe(3);
});

test('nested contexts: the inner lane counts; one that this pool does not have is no error', async () => {
  const scene = play({ max: 4, lanes: { first: { share: 1 }, batch: { share: 1, borrowLimit: 0 } }, headroom: 0 });
  const requests = withLane('first', () => withLane('batch', () => Array.from({ length: 4 }, () => scene.acquire())));
  await scene.step();
  expect(served(requests)).toBe(2);
  const elsewhere = withLane('of another pool', () => scene.acquire());
  await scene.step();
  expect(elsewhere.state).toBe('served');
});

test('a lane that does not exist is a mistake, and says which there are', async () => {
  const scene = play({ lanes: LANES });
  const error = await scene.pool.acquire({ lane: 'hihg' }).then(
    () => undefined,
    (caught: unknown) => caught as InvalidOptionError,
  );
  expect(error).toMatchObject({ code: 'ERR_POOL_INVALID_OPTION', option: 'lane' });
  expect(error!.message).toMatch(/hihg.*high.*low/s);
  await expect(play().pool.acquire({ lane: 'high' })).rejects.toMatchObject({ code: 'ERR_POOL_INVALID_OPTION' });
});

test('tryAcquire keeps to the lanes too: it takes no headroom and passes nobody by', async () => {
  const scene = play({ max: 5, lanes: { high: { share: 4 }, low: { share: 1 } } });
  await scene.fill(5);
  const low = withLane('low', () => [1, 2, 3, 4, 5].map(() => scene.pool.tryAcquire()).filter((lease) => lease !== undefined));
  expect(low).toHaveLength(4);
  expect(withLane('high', () => scene.pool.tryAcquire())).toBeDefined();
  await scene.step();
});

test('with lanes every waiter still leaves on time, and the queue is empty in the end', async () => {
  const scene = play({ max: 3, lanes: { a: { share: 3 }, b: { share: 2 }, c: { share: 1 } } });
  const requests = ['a', 'b', 'c', 'b', 'c', 'a', 'c', 'c'].map((lane) => scene.acquire({ lane }));
  await scene.adv(1000);
  for (const request of requests) expect(request.state).not.toBe('waiting');
  expectStats(scene, { waiting: 0, borrowed: 3 });
});

test('stripes of lanes do not lose capacity: in the end one lane alone gets max', async () => {
  const scene = play({ max: 6, lanes: { a: { share: 3 }, b: { share: 2 }, c: { share: 1 } } });
  for (let round = 0; round < 30; round++) {
    for (const lane of ['a', 'b', 'c']) ask(scene, lane, 3);
    await scene.step();
    for (const lease of scene.watch.leases) {
      if (round % 3 === 0) lease.destroy();
      else lease.release();
    }
    await scene.step();
  }
  await scene.adv(1000);
  for (const lease of scene.watch.leases) lease.release();
  await scene.step();
  const all = ask(scene, 'a', 7);
  await scene.step();
  expect(served(all)).toBe(6);
});
