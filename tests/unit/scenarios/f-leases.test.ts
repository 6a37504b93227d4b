// F. Lease safety, reset, leak, stats, clock.

import { LeaseEndedError, NestedAcquireError, Pool } from 'millpond';
import { ScriptedFactory, seededRandom } from 'millpond/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { expectStats, names, play } from './play.ts';

afterEach(() => {
  vi.useRealTimers();
});

test('50: the resource of a lease that has ended is out of reach', async () => {
  const scene = play({ max: 3 });
  const [released, destroyed, detached] = await scene.borrow(3);
  released!.release();
  destroyed!.lease.destroy();
  detached!.lease.detach();
  for (const request of [released, destroyed, detached]) {
    expect(request!.lease.ended).toBe(true);
    expect(() => request!.lease.resource).toThrow(LeaseEndedError);
    expect(() => request!.lease.resource).toThrow(expect.objectContaining({ code: 'ERR_POOL_LEASE_ENDED', retryable: false }));
  }
  expect(() => released!.lease.detach()).toThrow(LeaseEndedError);
  expect(released!.release()).toBe(false);
  expect(released!.lease.destroy()).toBe(false);
  await scene.step();
  expectStats(scene, { idle: 1, size: 1 });
});

test('50: a late end is counted and reported, and touches nobody', async () => {
  const scene = play({ max: 1 });
  const stale: unknown[] = [];
  scene.pool.on('staleRelease', (event) => stale.push(event));
  const old = scene.acquire({ label: 'old' });
  await scene.step();
  old.release();
  const [current] = await scene.borrow(1);
  old.release();
  old.lease.destroy();
  await scene.step();
  expect(stale).toEqual([{ label: 'old' }, { label: 'old' }]);
  expect(scene.pool.stats().totals.staleReleases).toBe(2);
  expect(current!.lease.ended).toBe(false);
  expectStats(scene, { borrowed: 1 });
});

test('51: use passes on what fn returns, throws or rejects with, and releases once', async () => {
  const scene = play({ max: 1 });
  let releases = 0;
  scene.pool.on('release', () => void releases++);
  await expect(scene.pool.use((resource) => resource.name)).resolves.toBe('r1');
  await expect(scene.pool.use(async (resource) => `async ${resource.name}`)).resolves.toBe('async r1');
  expect(releases).toBe(2);
  const error = new Error('of the caller');
  await expect(
    scene.pool.use(() => {
      throw error;
    }),
  ).rejects.toBe(error);
  await expect(scene.pool.use(() => Promise.reject(error))).rejects.toBe(error);
  expect(releases).toBe(4);
  await scene.step();
  expectStats(scene, { idle: 1, size: 1 });
  expect(scene.pool.stats().totals.staleReleases).toBe(0);
});

test('51: a resource that isBroken calls broken is destroyed by use', async () => {
  const scene = play({ max: 1 });
  await scene.pool.use((resource) => {
    scene.factory.broken.add(resource);
  });
  await scene.step();
  expect(scene.pool.stats().totals.destroyed.broken).toBe(1);
});

test('51: fn may end the lease itself', async () => {
  const scene = play({ max: 1 });
  await scene.pool.use((_, lease) => {
    lease.destroy();
  });
  await scene.step();
  expect(scene.factory.destroys).toBe(1);
  expect(scene.pool.stats().totals.staleReleases).toBe(0);
});

test('51: an abort during fn does not release before fn settles', async () => {
  const scene = play({ max: 1 });
  const abort = new AbortController();
  let finish: (value: string) => void = () => {};
  const used = scene.pool.use(() => new Promise<string>((resolve) => (finish = resolve)), { signal: abort.signal });
  await scene.step();
  abort.abort(new Error('the client went away'));
  await scene.step();
  expectStats(scene, { borrowed: 1, idle: 0 });
  finish('done');
  await expect(used).resolves.toBe('done');
  await scene.step();
  expectStats(scene, { idle: 1 });
});

test('51: an abort before fn means that fn never runs', async () => {
  const scene = play({ max: 1 });
  const [held] = await scene.borrow(1);
  const abort = new AbortController();
  const fn = vi.fn();
  const used = scene.pool.use(fn, { signal: abort.signal });
  const reason = new Error('gone');
  abort.abort(reason);
  await expect(used).rejects.toBe(reason);
  held!.release();
  await scene.step();
  expect(fn).not.toHaveBeenCalled();
});

test('52: a waiter is served after the reset, and release does not wait for it', async () => {
  const scene = play({ max: 1 }, { factory: { reset: true } });
  scene.factory.script.reset.does('manual');
  const [a] = await scene.borrow(1);
  const b = scene.acquire();
  await scene.step();
  expect(a!.release()).toBe(true);
  expect(scene.factory.resets).toBe(1);
  await scene.adv(100);
  expect(b.state).toBe('waiting');
  expectStats(scene, { resetting: 1, borrowed: 0 });
  scene.factory.script.reset.pending[0]!.ok();
  await scene.step();
  expect(names([b])).toEqual(['r1']);
});

test('52: a reset that rejects destroys, and the waiter gets a fresh one', async () => {
  const scene = play({ max: 1 }, { factory: { reset: true } });
  const [a] = await scene.borrow(1);
  const r1 = a!.resource;
  const b = scene.acquire();
  await scene.step();
  scene.factory.script.reset.next({ rejects: new Error('still in a transaction') });
  a!.release();
  await scene.step();
  expect(scene.factory.reason(r1)).toBe('resetFailed');
  expect(names([b])).toEqual(['r2']);
});

test('52: so does one that exceeds resetTimeoutMs', async () => {
  const scene = play({ max: 1, resetTimeoutMs: 300 }, { factory: { reset: true } });
  scene.factory.script.reset.does('manual');
  const [a] = await scene.borrow(1);
  const r1 = a!.resource;
  const b = scene.acquire();
  await scene.step();
  a!.release();
  await scene.adv(299);
  expect(b.state).toBe('waiting');
  await scene.adv(1);
  expect(scene.factory.script.reset.calls[0]!.context.signal.aborted).toBe(true);
  expect(scene.factory.reason(r1)).toBe('resetFailed');
  expect(names([b])).toEqual(['r2']);
  scene.factory.script.reset.pending[0]!.ok();
  await scene.step();
  expectStats(scene, { size: 1, borrowed: 1 });
});

test('52: a reset that returns at once makes the resource idle within release', async () => {
  const scene = play({ max: 1 }, { factory: { reset: true } });
  scene.factory.script.reset.does('sync');
  const [a] = await scene.borrow(1);
  a!.release();
  expectStats(scene, { idle: 1, resetting: 0 });
  expect(scene.pool.tryAcquire()?.resource.name).toBe('r1');
  await scene.step();
});

test('53: a leak is reported once, with label, age and the place of the acquire; its end as well', async () => {
  const scene = play({ max: 1, leakThresholdMs: 2000 });
  const leaks: unknown[] = [];
  const unleaks: unknown[] = [];
  scene.pool.on('leak', (event) => leaks.push(event));
  scene.pool.on('unleak', (event) => unleaks.push(event));
  const request = forgetful();
  function forgetful(): ReturnType<typeof scene.acquire> {
    return scene.acquire({ label: 'report' });
  }
  await scene.step();
  await scene.adv(1999);
  expect(leaks).toEqual([]);
  await scene.adv(1);
  expect(leaks).toEqual([{ label: 'report', heldMs: 2000, stack: expect.stringContaining('forgetful') }]);
  await scene.adv(10_000);
  expect(leaks).toHaveLength(1);
  expect(request.lease.resource.name).toBe('r1');
  expect(unleaks).toEqual([]);
  request.release();
  await scene.step();
  expect(unleaks).toEqual([{ label: 'report', heldMs: 12_000 }]);
});

test('53: what comes back before the threshold is no leak', async () => {
  const scene = play({ max: 1, leakThresholdMs: 2000 });
  const seen: unknown[] = [];
  scene.pool.on('leak', (event) => seen.push(event));
  scene.pool.on('unleak', (event) => seen.push(event));
  const [held] = await scene.borrow(1);
  await scene.adv(1999);
  held!.release();
  await scene.adv(10_000);
  expect(seen).toEqual([]);
});

test('54: after a random script the totals conserve, and the sums of times are those of the clock', async () => {
  const kinds = { served: 0, timedOut: 0, aborted: 0, rejected: 0 };
  for (let seed = 1; seed <= 10; seed++) {
    const random = seededRandom(seed);
    const scene = play({ max: 3, maxWaiting: 6, acquireTimeoutMs: 60 }, { seed });
    scene.factory.script.create.does((call) => {
      if (random.chance(0.2)) throw new Error('refused');
      return call.index % 2 === 0 ? undefined : Promise.resolve({ id: call.index, name: `r${call.index}` });
    });
    let useMs = 0;
    const aborts: AbortController[] = [];
    for (let i = 0; i < 200; i++) {
      const abort = new AbortController();
      aborts.push(abort);
      const request = scene.acquire({ signal: abort.signal });
      request.promise.then(
        (lease) => {
          const from = scene.clock.now();
          scene.clock.schedule(from + random.int(0, 100), () => {
            useMs += scene.clock.now() - from;
            if (random.chance(0.8)) lease.release();
            else lease.destroy();
          });
        },
        () => undefined,
      );
      if (random.chance(0.2)) random.pick(aborts).abort(new Error('left'));
      await scene.adv(random.int(0, 30));
    }
    await scene.adv(10_000);
    const { totals } = scene.pool.stats();
    const count = (state: string): number => scene.requests.filter((request) => request.state === state).length;
    expect(totals.acquires).toBe(200);
    expect(totals.served).toBe(count('served'));
    expect(totals.timedOut + totals.aborted + totals.rejected).toBe(count('failed'));
    expect(totals.waitMs).toBe(scene.requests.reduce((sum, request) => sum + request.waitedMs!, 0));
    expect(totals.useMs).toBe(useMs);
    expect(totals.created).toBe(scene.factory.resources.length);
    for (const kind of Object.keys(kinds) as (keyof typeof kinds)[]) kinds[kind] += totals[kind];
  }
  expect(Math.min(...Object.values(kinds))).toBeGreaterThan(0);
});

test('55: the wall clock may jump by an hour: nothing expires and no age is negative', async () => {
  const factory = new ScriptedFactory();
  const pool = new Pool({
    factory,
    max: 2,
    idleTimeoutMs: 60_000,
    maxLifetimeMs: 120_000,
    validateAfterIdleMs: 30_000,
    leakThresholdMs: 60_000,
  });
  const leaks: unknown[] = [];
  pool.on('leak', (event) => leaks.push(event));
  const [one, two] = await Promise.all([pool.acquire(), pool.acquire()]);
  one.release();
  const real = Date.now();
  vi.useFakeTimers({ toFake: ['Date'] });
  for (const jumpMs of [3_600_000, -3_600_000]) {
    vi.setSystemTime(real + jumpMs);
    const waiter = pool.acquire({ timeoutMs: 5000 });
    const lease = await waiter;
    expect(lease.info.ageMs).toBeGreaterThanOrEqual(0);
    expect(lease.info.ageMs).toBeLessThan(30_000);
    lease.release();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(pool.stats()).toMatchObject({ idle: 1, borrowed: 1, size: 2 });
  }
  vi.useRealTimers();
  expect(factory.validates).toBe(0);
  expect(factory.destroys).toBe(0);
  expect(leaks).toEqual([]);
  two.release();
  await pool.close();
});

test('56: a nested acquire is warned of once, with both places', async () => {
  const scene = play({ max: 2, nested: 'warn' });
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  try {
    await scene.pool.use(async function outerPlace() {
      const innerPlace = (): ReturnType<typeof scene.pool.acquire> => scene.pool.acquire();
      (await innerPlace()).release();
    });
    expect(warn).toHaveBeenCalledTimes(1);
    const text = String(warn.mock.calls[0]![0]);
    expect(text).toContain('innerPlace');
    expect(text.match(/f-leases\.test/g)!.length).toBeGreaterThanOrEqual(2);
  } finally {
    warn.mockRestore();
  }
});

test('56: the same place in a loop is one warning', async () => {
  const scene = play({ max: 2, nested: 'warn' });
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  try {
    await scene.pool.use(async () => {
      for (let i = 0; i < 3; i++) (await scene.pool.acquire()).release();
    });
    expect(warn).toHaveBeenCalledTimes(1);
  } finally {
    warn.mockRestore();
  }
});

test("56: with nested: 'error' the inner acquire rejects at once", async () => {
  const scene = play({ max: 1, nested: 'error' });
  const inner = scene.pool.use(() => scene.pool.acquire());
  await expect(inner).rejects.toBeInstanceOf(NestedAcquireError);
  await expect(inner).rejects.toMatchObject({ code: 'ERR_POOL_NESTED_ACQUIRE' });
  expect(scene.clock.now()).toBe(0);
  await scene.step();
  expectStats(scene, { idle: 1, waiting: 0 });
  // Outside of the lease everything is as it was.
  await scene.borrow(1);
});
