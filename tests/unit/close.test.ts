// Rule 16: the end of a pool.

import { Pool, type CloseResult } from 'millpond';
import { ScriptedFactory } from 'millpond/testing';
import { expect, test } from 'vitest';
import { expectFailed, expectStats, manually, play, type Stage } from './scenarios/play.ts';

function results(scene: Stage, options?: Parameters<Stage['pool']['close']>[0]): CloseResult[] {
  const all: CloseResult[] = [];
  void scene.pool.close(options).then((result) => all.push(result));
  return all;
}

test('a pool that was never used closes at once', async () => {
  const scene = play();
  const done = results(scene);
  await scene.step();
  expect(done).toEqual([{ abandoned: [] }]);
  expect(scene.clock.pending).toBe(0);
});

test('at the deadline leases are ended by force; the result says who held what', async () => {
  const scene = play({ max: 3, captureStacks: true });
  const request = scene.acquire({ label: 'report' });
  await scene.adv(100);
  const second = scene.acquire();
  await scene.step();
  const resources = [request.resource, second.resource];
  const done = results(scene, { deadlineMs: 400 });
  await scene.adv(399);
  expect(done).toEqual([]);
  expect(scene.factory.destroys).toBe(0);
  await scene.adv(1);
  expect(done).toHaveLength(1);
  expect(done[0]!.abandoned).toHaveLength(2);
  expect(done[0]!.abandoned).toContainEqual({ label: 'report', heldMs: 500, stack: expect.stringContaining('close.test') });
  expect(done[0]!.abandoned).toContainEqual({ heldMs: 400, stack: expect.any(String) });
  expect(resources.map((resource) => scene.factory.reason(resource))).toEqual(['poolClosed', 'poolClosed']);
  expect(() => request.lease.resource).toThrow(expect.objectContaining({ code: 'ERR_POOL_LEASE_ENDED' }));
  expect(request.release()).toBe(false);
});

test('the deadline is ten seconds unless said otherwise, and Infinity waits for ever', async () => {
  const usual = play();
  await usual.borrow(1);
  const done = results(usual);
  await usual.adv(9_999);
  expect(done).toEqual([]);
  await usual.adv(1);
  expect(done).toHaveLength(1);

  const patient = play();
  const [held] = await patient.borrow(1);
  const later = results(patient, { deadlineMs: Infinity });
  await patient.adv(10_000_000);
  expect(later).toEqual([]);
  held!.release();
  await patient.step();
  expect(later).toEqual([{ abandoned: [] }]);
});

test('a signal brings the deadline to now', async () => {
  const scene = play();
  await scene.borrow(1);
  const abort = new AbortController();
  const done = results(scene, { deadlineMs: 60_000, signal: abort.signal });
  await scene.adv(1000);
  expect(done).toEqual([]);
  abort.abort();
  await scene.adv(0);
  expect(done[0]!.abandoned).toHaveLength(1);
});

test('a second close is the same promise, and an earlier deadline counts', async () => {
  const scene = play();
  await scene.borrow(1);
  const first = scene.pool.close({ deadlineMs: 60_000 });
  const second = scene.pool.close({ deadlineMs: 50 });
  expect(second).toBe(first);
  await scene.adv(50);
  expect((await first).abandoned).toHaveLength(1);
});

test('a destroy that hangs does not hold close beyond destroyTimeoutMs', async () => {
  const scene = play({ destroyTimeoutMs: 300 });
  await scene.fill(2);
  scene.factory.script.destroy.does('manual');
  const done = results(scene);
  await scene.adv(299);
  expect(done).toEqual([]);
  await scene.adv(1);
  expect(done).toHaveLength(1);
  expectStats(scene, { state: 'closed', size: 0 });
  expect(scene.clock.pending).toBe(0);
});

test('a create that hangs does not hold close for ever, and is told to stop', async () => {
  const scene = play({ max: 2 }, { prepare: manually });
  scene.acquire();
  await scene.step();
  const done = results(scene, { deadlineMs: 500 });
  expect(scene.factory.pending[0]!.context.signal.aborted).toBe(true);
  await scene.adv(500);
  expect(done).toHaveLength(1);
  scene.factory.pending[0]!.ok();
  await scene.step();
  expect(scene.factory.live).toBe(0);
  expect(scene.clock.pending).toBe(0);
});

test.each(['for min', 'for nobody'])('a create %s that hangs does not hold close either, and is destroyed if it comes', async (what) => {
  const scene = play({ max: 2, min: what === 'for min' ? 1 : 0 }, { prepare: manually });
  if (what !== 'for min') {
    const leaving = new AbortController();
    scene.acquire({ signal: leaving.signal });
    leaving.abort();
  }
  await scene.step();
  expectStats(scene, { creating: 1, waiting: 0 });
  const done = results(scene, { deadlineMs: 500 });
  expect(scene.factory.pending[0]!.context.signal.aborted).toBe(true);
  await scene.adv(499);
  expect(done).toEqual([]);
  await scene.adv(1);
  expect(done).toEqual([{ abandoned: [] }]);
  scene.factory.pending[0]!.ok();
  await scene.step();
  expect(scene.factory.live).toBe(0);
  expect(scene.clock.pending).toBe(0);
});

test('a create that comes during the close is destroyed, and close waits for that', async () => {
  const scene = play({ max: 2 }, { prepare: manually });
  scene.acquire();
  await scene.step();
  const done = results(scene);
  scene.factory.script.destroy.does('manual');
  scene.factory.pending[0]!.ok();
  await scene.step();
  expect(scene.factory.destroys).toBe(1);
  expect(done).toEqual([]);
  scene.factory.script.destroy.pending[0]!.ok();
  await scene.step();
  expect(done).toHaveLength(1);
  expect(scene.factory.live).toBe(0);
});

test('resources that are being validated or reset are destroyed too', async () => {
  const scene = play({ max: 2, validateAfterIdleMs: 0 }, { factory: { reset: true } });
  await scene.fill(2);
  await scene.adv(1);
  const [held] = await scene.borrow(1);
  scene.factory.script.validate.does('manual');
  scene.factory.script.reset.does('manual');
  const waiter = scene.acquire();
  held!.release();
  await scene.step();
  expectStats(scene, { validating: 1, resetting: 1 });
  const done = results(scene);
  await scene.adv(10_000);
  expectFailed(waiter, 'ERR_POOL_CLOSED');
  expect(done).toHaveLength(1);
  expect(scene.factory.live).toBe(0);
});

test("a lease that is detached while closing is the caller's", async () => {
  const scene = play();
  const [held] = await scene.borrow(1);
  const done = results(scene);
  const r1 = held!.lease.detach();
  await scene.step();
  expect(done).toEqual([{ abandoned: [] }]);
  expect(scene.factory.destroyed(r1)).toBe(0);
});

test('closing a paused or unavailable pool works like any other', async () => {
  const paused = play();
  await paused.fill(1);
  paused.pool.pause();
  const waiter = paused.acquire();
  const done = results(paused);
  await paused.step();
  expectFailed(waiter, 'ERR_POOL_CLOSED');
  expect(done).toHaveLength(1);

  const broken = play(
    { breaker: { failures: 1, probeIntervalMs: 100 } },
    { prepare: (factory) => factory.failCreates(new Error('refused')) },
  );
  broken.acquire();
  await broken.step();
  const ended = results(broken);
  await broken.adv(1000);
  expect(ended).toHaveLength(1);
  expect(broken.factory.creates).toBe(1);
});

test('after the end every method is harmless', async () => {
  const scene = play();
  const [held] = await scene.borrow(1);
  const { lease } = held!;
  held!.release();
  const closing = scene.pool.close();
  await scene.step();
  await closing;
  scene.pool.pause();
  scene.pool.resume();
  scene.pool.resize({ max: 7, min: 5 });
  scene.pool.evict();
  scene.pool.evict({ spreadMs: 1000 });
  lease.release();
  await scene.adv(100_000);
  expect(scene.pool.state).toBe('closed');
  expect(scene.factory.creates).toBe(1);
  await expect(scene.pool.use(() => 1)).rejects.toMatchObject({ code: 'ERR_POOL_CLOSED' });
  await expect(scene.pool.ready()).rejects.toMatchObject({ code: 'ERR_POOL_CLOSED' });
  expect(scene.clock.pending).toBe(0);
});

test('await using closes the pool', async () => {
  const factory = new ScriptedFactory();
  let kept: Pool<unknown>;
  {
    await using pool = new Pool({ factory });
    (await pool.acquire()).release();
    kept = pool;
  }
  expect(kept.state).toBe('closed');
  expect(factory.live).toBe(0);
});

test('state changes are told in order', async () => {
  const scene = play();
  const states: string[] = [];
  scene.pool.on('state', ({ from, to }) => states.push(`${from} > ${to}`));
  const [held] = await scene.borrow(1);
  scene.pool.pause();
  scene.pool.resume();
  void scene.pool.close();
  held!.release();
  await scene.step();
  expect(states).toEqual(['open > paused', 'paused > open', 'open > draining', 'draining > closed']);
});

/** Timers that keep the process alive, by what Node itself counts. */
function keptAlive(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || name === 'Immediate').length;
}

test('an idle pool keeps no process alive; a waiter does, and what is closed leaves nothing', async () => {
  const before = keptAlive();
  const factory = new ScriptedFactory();
  const pool = new Pool({ factory, max: 1, keepaliveIntervalMs: 1000, idleTimeoutMs: 1000, maxLifetimeMs: 1000 });
  const lease = await pool.acquire();
  expect(keptAlive()).toBe(before);
  const waiter = pool.acquire();
  expect(keptAlive()).toBe(before + 1);
  lease.release();
  const second = await waiter;
  expect(keptAlive()).toBe(before);
  second.release();
  expect(keptAlive()).toBe(before);
  await pool.close();
  expect(keptAlive()).toBe(before);
});
