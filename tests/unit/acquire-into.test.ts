// Acquires whose outcome goes to a function.

import { AcquireTimeoutError, type Lease } from 'millpond';
import { acquireInto } from 'millpond/handle';
import { expect, test } from 'vitest';
import { play } from './scenarios/play.ts';

type Scene = ReturnType<typeof play>;

/** What the functions are called with. */
function ask(scene: Scene, told: unknown[], timeoutMs?: number): (reason: unknown) => void {
  const served = (lease: Lease<unknown>): void => void told.push(lease);
  const refused = (error: unknown): void => void told.push(error);
  return timeoutMs === undefined ? acquireInto(scene.pool, served, refused) : acquireInto(scene.pool, served, refused, { timeoutMs });
}

test('whoever finds something idle is served in the call', async () => {
  const scene = play({ max: 1 });
  const [held] = await scene.borrow(1);
  held!.release();
  const told: Lease<unknown>[] = [];
  ask(scene, told);
  expect(told).toHaveLength(1);
  expect(told[0]!.release()).toBe(true);
  expect(scene.pool.stats()).toMatchObject({ idle: 1, waiting: 0, totals: { acquires: 2, served: 2 } });
});

test('whoever waits is served in the call of whoever gives back, in turn', async () => {
  const scene = play({ max: 1 });
  const [held] = await scene.borrow(1);
  const told: Lease<unknown>[] = [];
  ask(scene, told);
  const promised = scene.pool.acquire();
  expect(told).toEqual([]);
  held!.release();
  expect(told).toHaveLength(1);
  told[0]!.release();
  expect((await promised).ended).toBe(false);
});

test('a wait ends at its deadline, which is that of the pool unless it has its own', async () => {
  const scene = play({ max: 1, acquireTimeoutMs: 1_000 });
  await scene.borrow(1);
  const [usual, own]: [unknown[], unknown[]] = [[], []];
  ask(scene, usual);
  ask(scene, own, 300);
  await scene.adv(300);
  expect(usual).toEqual([]);
  expect(own).toEqual([expect.any(AcquireTimeoutError)]);
  await scene.adv(700);
  expect(usual).toEqual([expect.any(AcquireTimeoutError)]);
  expect(own).toHaveLength(1);
});

test('whoever leaves is told why, once, and keeps what they have been served', async () => {
  const scene = play({ max: 1 });
  const [held] = await scene.borrow(1);
  const [left, stayed]: [unknown[], Lease<unknown>[]] = [[], []];
  const leave = ask(scene, left);
  const stay = ask(scene, stayed);
  leave('enough');
  leave('again');
  expect(left).toEqual(['enough']);
  held!.release();
  stay('too late');
  expect(stayed).toHaveLength(1);
  expect(stayed[0]!.ended).toBe(false);
  expect(scene.pool.stats()).toMatchObject({ borrowed: 1, waiting: 0, totals: { aborted: 1, served: 2 } });
});

test('a closed pool refuses in the call', async () => {
  const scene = play({ max: 1 });
  await scene.pool.close();
  const told: unknown[] = [];
  ask(scene, told);
  expect(told).toEqual([expect.objectContaining({ code: 'ERR_POOL_CLOSED' })]);
});
