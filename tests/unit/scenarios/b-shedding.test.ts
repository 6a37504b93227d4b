// B, 25 and 26: overload is turned away at the door.

import { OverloadedError } from 'millpond';
import type { Request, ScriptedResource } from 'millpond/testing';
import { expect, test } from 'vitest';
import { expectFailed, expectStats, manually, play, type Stage } from './play.ts';

const SHEDDING = { targetMs: 50, intervalMs: 100 };
const HOLD_MS = 100;

/** An acquire whose lease ends after exactly one hold. */
function ask(scene: Stage, options?: { readonly timeoutMs?: number }): Request<ScriptedResource> {
  const request = scene.acquire(options);
  request.promise.then(
    (lease) => scene.clock.schedule(scene.clock.now() + HOLD_MS, () => lease.release()),
    () => undefined,
  );
  return request;
}

async function askEvery(scene: Stage, everyMs: number, untilMs: number): Promise<Request<ScriptedResource>[]> {
  const requests: Request<ScriptedResource>[] = [];
  while (scene.clock.now() < untilMs) {
    requests.push(ask(scene));
    await scene.adv(everyMs);
  }
  return requests;
}

/** Turned away in the tick of its acquire. */
function expectShed(request: Request<ScriptedResource>): void {
  expect(request.error).toBeInstanceOf(OverloadedError);
  expect(request.error).toMatchObject({ code: 'ERR_POOL_OVERLOADED', retryable: true });
  expect((request.error as OverloadedError).retryAfterMs).toBeGreaterThan(0);
  expect(request.waitedMs).toBe(0);
}

test('25: at ten times the load, who is served is served soon, and who is not is told at once', async () => {
  const scene = play({ max: 1, acquireTimeoutMs: 1000, shedding: SHEDDING });
  const requests = await askEvery(scene, 10, 3000);
  await scene.adv(1000);
  const late = requests.filter((request) => request.askedAt >= 1000);
  expect(late.some((request) => request.state === 'served')).toBe(true);
  for (const request of late) {
    if (request.state === 'served') expect(request.waitedMs).toBeLessThanOrEqual(2 * SHEDDING.targetMs + HOLD_MS);
    else expectShed(request);
  }
  // One hold after the other for three seconds: overload costs no throughput.
  expect(requests.filter((request) => request.state === 'served').length).toBeGreaterThanOrEqual(29);
});

test('25: the first acquire that finds an idle resource ends it: the next burst is queued', async () => {
  const scene = play({ max: 1, acquireTimeoutMs: 1000, shedding: SHEDDING });
  await askEvery(scene, 10, 3000);
  await scene.adv(1000);
  expectStats(scene, { idle: 1, waiting: 0 });
  const first = ask(scene);
  await scene.step();
  expect(first.waitedMs).toBe(0);
  const burst = [ask(scene), ask(scene), ask(scene)];
  await scene.adv(500);
  expect(burst.map((request) => request.waitedMs)).toEqual([100, 200, 300]);
});

test('25: while it sheds, silence alone does not end it', async () => {
  const scene = play({ max: 1, acquireTimeoutMs: 1000, shedding: SHEDDING });
  const requests = await askEvery(scene, 10, 3000);
  // Somebody always waits, so nobody ever finds r1 idle.
  const states = requests.slice(-20).map((request) => request.state);
  expect(states).toContain('failed');
  const again = [ask(scene), ask(scene), ask(scene)];
  await scene.step();
  expectShed(again[2]!);
});

test('25: nothing is shed while a resource is idle or may still be created', async () => {
  const scene = play({ max: 3, acquireTimeoutMs: 150, shedding: SHEDDING });
  // The only hold so far was far longer than the deadline of anybody.
  const [slow] = await scene.borrow(1);
  await scene.adv(5000);
  slow!.release();
  await scene.step();
  scene.factory.script.create.does({ afterMs: 20 });
  const requests = [scene.acquire(), scene.acquire(), scene.acquire()];
  await scene.adv(20);
  expect(requests.map((request) => request.state)).toEqual(['served', 'served', 'served']);
  const fourth = scene.acquire();
  await scene.step();
  expectShed(fourth);
});

test('25: before a full interval has passed only what cannot be in time is shed', async () => {
  const scene = play({ max: 1, acquireTimeoutMs: 60_000, shedding: { targetMs: 50, intervalMs: 1000 } });
  const requests = await askEvery(scene, 10, 990);
  expect(requests.filter((request) => request.state === 'failed')).toEqual([]);
  const impatient = scene.acquire({ timeoutMs: 1000 });
  await scene.step();
  expectShed(impatient);
});

test('25: off by default: everybody queues', async () => {
  const scene = play({ max: 1, acquireTimeoutMs: 1000 });
  const requests = await askEvery(scene, 10, 2000);
  await scene.adv(2000);
  for (const request of requests) {
    if (request.state === 'failed') expectFailed(request, 'ERR_POOL_ACQUIRE_TIMEOUT');
  }
});

test('26: a holder that never releases counts with its age', async () => {
  const scene = play({ max: 1, acquireTimeoutMs: 1000, shedding: SHEDDING });
  await scene.borrow(1);
  const requests: Request<ScriptedResource>[] = [];
  for (let t = 100; t <= 3000; t += 100) {
    await scene.until(t);
    requests.push(scene.acquire());
    await scene.step();
  }
  await scene.adv(2000);
  const timedOut = requests.filter((request) => request.waitedMs !== 0);
  expect(timedOut).toContain(requests[0]);
  for (const request of timedOut) {
    expectFailed(request, 'ERR_POOL_ACQUIRE_TIMEOUT');
    expect(request.waitedMs).toBe(1000);
    expect(request.askedAt).toBeLessThan(1000);
  }
  for (const request of requests) if (request.askedAt >= 1000) expectShed(request);
});

test('25: a create that is still running is no overload', async () => {
  const scene = play({ max: 1, acquireTimeoutMs: 1000, shedding: SHEDDING }, { prepare: manually });
  const requests = await askEvery(scene, 10, 500);
  expect(requests.filter((request) => request.state === 'failed')).toEqual([]);
});
