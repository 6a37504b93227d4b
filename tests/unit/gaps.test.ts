// What the mutants (scripts/mutants) found that no other test noticed: each of these fails when one certain line of the engine is broken.

import { withLane, type Lease } from 'millpond';
import type { Request, ScriptedResource } from 'millpond/testing';
import { describe, expect, test } from 'vitest';
import { expectFailed, expectStats, manually, names, play, type Stage } from './scenarios/play.ts';

const E = new Error('connect ECONNREFUSED');
const retry = { initialDelayMs: 100, factor: 2, maxDelayMs: 1000, jitter: 0 };

describe('whose turn it is', () => {
  test('a listener that hears of a create cannot take what somebody waits for', async () => {
    const scene = play({ max: 1 }, { prepare: manually });
    const waiter = scene.acquire();
    await scene.step();
    const taken: unknown[] = [];
    scene.pool.on('create', () => taken.push(scene.pool.tryAcquire()));
    scene.factory.pending[0]!.ok();
    await scene.step();
    expect(taken).toEqual([undefined]);
    expect(names([waiter])).toEqual(['r1']);
  });

  test('nor can it for another lane, when the one that waits is entitled', async () => {
    const scene = play({ max: 1, lanes: { a: { share: 1 }, b: { share: 1 } }, headroom: 0 }, { prepare: manually });
    const waiter = scene.acquire({ lane: 'b' });
    await scene.step();
    const taken: unknown[] = [];
    scene.pool.on('create', () => taken.push(withLane('a', () => scene.pool.tryAcquire())));
    scene.factory.pending[0]!.ok();
    await scene.step();
    expect(taken).toEqual([undefined]);
    expect(waiter.state).toBe('served');
  });

  test('a listener that hears of the end of a shared lease is not given the resource that goes with it', async () => {
    const scene = play({ max: 1, sharing: 2 });
    const [a] = await scene.borrow(2);
    const taken: (Lease<ScriptedResource> | undefined)[] = [];
    scene.pool.on('release', () => taken.push(scene.pool.tryAcquire()));
    a!.lease.destroy();
    expect(taken).toEqual([undefined]);
    await scene.step();
  });

  test('of two shared resources the one with fewer leases is lent first', async () => {
    const scene = play({ max: 2, sharing: 3 });
    const requests = await scene.borrow(6);
    const on = (name: string): Request<ScriptedResource>[] => requests.filter((request) => request.resource.name === name);
    const [r1, r2] = [on('r1'), on('r2')];
    r1[0]!.release();
    r2[0]!.release();
    r2[1]!.release();
    await scene.step();
    expect(names(await scene.borrow(1))).toEqual(['r2']);
  });
});

describe('lanes', () => {
  const ask = (scene: Stage, lane: string, count: number): Request<ScriptedResource>[] =>
    Array.from({ length: count }, () => scene.acquire({ lane }));
  const states = (requests: readonly Request<ScriptedResource>[]): string[] => requests.map((request) => request.state);

  test('borrowing goes by the time of leases that still run as well', async () => {
    const scene = play({ max: 4, lanes: { a: { share: 1 }, b: { share: 1 }, c: { share: 2 } }, headroom: 0, acquireTimeoutMs: 60_000 });
    ask(scene, 'a', 2);
    const c = ask(scene, 'c', 2);
    await scene.adv(10_000);
    const b = ask(scene, 'b', 2);
    const more = ask(scene, 'a', 1);
    await scene.step();
    c[0]!.release(); // b is below its share
    c[1]!.release(); // whoever has had less
    await scene.step();
    expect([states(b), states(more)]).toEqual([['served', 'served'], ['waiting']]);
  });

  test('borrowing goes by time, not by the number of leases', async () => {
    const scene = play({ max: 4, lanes: { a: { share: 1 }, b: { share: 1 }, c: { share: 2 } }, headroom: 0, acquireTimeoutMs: 60_000 });
    const a = ask(scene, 'a', 2);
    const c = ask(scene, 'c', 2);
    await scene.adv(10_000);
    const b = ask(scene, 'b', 3);
    const more = ask(scene, 'a', 1);
    await scene.step();
    c[0]!.release();
    a[0]!.release();
    c[1]!.release(); // b holds two now, a one; a has had ten seconds of two, b nothing
    await scene.step();
    expect([states(b), states(more)]).toEqual([['served', 'served', 'served'], ['waiting']]);
  });

  test('the time is taken in proportion to the share', async () => {
    const scene = play({ max: 8, lanes: { a: { share: 1 }, b: { share: 3 }, c: { share: 4 } }, headroom: 0, acquireTimeoutMs: 60_000 });
    ask(scene, 'a', 2); // twenty seconds of a share of one
    ask(scene, 'b', 3); // thirty of a share of three
    const c = ask(scene, 'c', 3);
    await scene.adv(10_000);
    const more = [...ask(scene, 'a', 1), ...ask(scene, 'b', 1)];
    await scene.step();
    c[0]!.release();
    await scene.step();
    expect(states(more)).toEqual(['waiting', 'served']);
  });

  test('a lane that comes back from a silence has no claim to what it did not use', async () => {
    const scene = play({ max: 4, lanes: { b: { share: 1 }, a: { share: 1 }, c: { share: 2 } }, headroom: 0, acquireTimeoutMs: 60_000 });
    ask(scene, 'b', 1);
    const c = ask(scene, 'c', 3);
    await scene.adv(10_000);
    const a = ask(scene, 'a', 2);
    const more = ask(scene, 'b', 1);
    await scene.step();
    c[0]!.release(); // a is below its share
    c[1]!.release(); // and is now taken for having had as much as b
    await scene.step();
    expect([states(a), states(more)]).toEqual([['served', 'waiting'], ['served']]);
  });

  test('borrowLimit bounds what a lane takes of what is idle already', async () => {
    const scene = play({ max: 10, lanes: { high: { share: 8 }, low: { share: 2, borrowLimit: 1 } }, headroom: 0 });
    await scene.fill(10);
    const low = ask(scene, 'low', 10);
    await scene.step();
    expect(low.filter((request) => request.state === 'served')).toHaveLength(3);
    expectStats(scene, { idle: 7, borrowed: 3 });
  });
});

describe('failed creates', () => {
  test('a backoff that nobody waits for leaves no timer', async () => {
    const scene = play({ max: 1, createRetry: retry, acquireTimeoutMs: Infinity }, { prepare: (factory) => factory.failCreates(E) });
    const abort = new AbortController();
    scene.acquire({ signal: abort.signal });
    await scene.step();
    expect(scene.clock.pending).toBe(1);
    abort.abort();
    await scene.step();
    expect(scene.clock.pending).toBe(0);
  });

  test('jitter does not lift a delay above maxDelayMs, and there is jitter at the cap too', async () => {
    const delays = new Set<number>();
    for (let seed = 1; seed <= 10; seed++) {
      const scene = play({ min: 1, createRetry: { ...retry, jitter: 0.2 } }, { seed, prepare: (factory) => factory.failCreates(E) });
      await scene.adv(5000);
      let last = scene.clock.now();
      scene.factory.observe((hook) => {
        if (hook !== 'create') return;
        delays.add(scene.clock.now() - last);
        last = scene.clock.now();
      });
      await scene.adv(1000);
      delays.clear();
      await scene.adv(10_000);
      expect(Math.max(...delays)).toBeLessThanOrEqual(1000);
      expect(Math.min(...delays)).toBeLessThan(990);
    }
  });

  test('a success in between starts the count of the breaker anew', async () => {
    const scene = play({ max: 1, breaker: { failures: 2, probeIntervalMs: 1000 } });
    for (let i = 0; i < 3; i++) {
      scene.factory.script.create.next({ rejects: E });
      const failed = scene.acquire();
      await scene.step();
      expectFailed(failed, 'ERR_POOL_CREATE_FAILED');
      const [held] = await scene.borrow(1);
      held!.lease.destroy();
      await scene.step();
    }
    expect(scene.pool.state).toBe('open');
  });

  test('a probe that hangs is not joined by another when something else happens', async () => {
    const scene = play({ max: 2, breaker: { failures: 1, probeIntervalMs: 1000 } }, { prepare: (factory) => factory.failCreates(E) });
    scene.acquire();
    await scene.step();
    scene.factory.auto = false;
    await scene.adv(5000);
    expect(scene.factory.pending).toHaveLength(1);
    scene.pool.resize({ max: 3 });
    await scene.step();
    expect(scene.factory.pending).toHaveLength(1);
  });

  test('with createRetry a permanent failure is told at once, also while something is alive', async () => {
    const scene = play({ max: 2, createRetry: retry }, { factory: { classify: () => 'permanent' } });
    await scene.borrow(1);
    scene.factory.failCreates(E);
    const request = scene.acquire();
    await scene.step();
    expectFailed(request, 'ERR_POOL_CREATE_FAILED');
  });

  test('a failure does not concern a waiter for whom another create still runs', async () => {
    const scene = play({ max: 3 });
    const [held] = await scene.borrow(1);
    scene.factory.auto = false;
    const [a, b] = [scene.acquire(), scene.acquire()];
    await scene.step();
    held!.release();
    await scene.step();
    expect([a.state, b.state]).toEqual(['served', 'waiting']);
    scene.factory.pending[0]!.fail(E);
    await scene.step();
    expect(b.state).toBe('waiting');
    scene.factory.pending[0]!.ok();
    await scene.step();
    expect(b.state).toBe('served');
  });

  test('an outdated create that hangs gives its place back at createTimeoutMs', async () => {
    const scene = play({ max: 1, createTimeoutMs: 500, acquireTimeoutMs: 10_000 }, { prepare: manually });
    const request = scene.acquire();
    await scene.adv(100);
    scene.pool.evict();
    await scene.adv(399);
    expect(scene.factory.creates).toBe(1);
    await scene.adv(1);
    expect(scene.factory.creates).toBe(2);
    scene.factory.pending[1]!.ok();
    await scene.step();
    expect(request.state).toBe('served');
  });
});

describe('the end of resources', () => {
  test.each([
    ['a release', (scene: Stage, held: Request<ScriptedResource>) => {
      scene.factory.broken.add(held.resource);
      held.release();
    }],
    ['a tryAcquire', (scene: Stage, held: Request<ScriptedResource>) => {
      const { resource } = held;
      held.release();
      scene.factory.broken.add(resource);
      expect(scene.pool.tryAcquire()).toBeUndefined();
    }],
  ])('a destroy that hangs is given up in time when %s began it', async (_, begin) => {
    const scene = play({ max: 1, destroyTimeoutMs: 200 });
    const [held] = await scene.borrow(1);
    scene.factory.script.destroy.does('manual');
    begin(scene, held!);
    await scene.adv(199);
    expectStats(scene, { destroying: 1, size: 1 });
    await scene.adv(1);
    expectStats(scene, { destroying: 0, size: 0 });
  });

  test('what was evicted during a validation that nobody waits for any more is destroyed at its end', async () => {
    const scene = play({ max: 1, validateAfterIdleMs: 0 });
    const [r1] = await scene.fill(1);
    await scene.adv(1);
    scene.factory.script.validate.does('manual');
    const abort = new AbortController();
    scene.acquire({ signal: abort.signal });
    await scene.step();
    abort.abort();
    scene.pool.evict();
    await scene.step();
    scene.factory.script.validate.pending[0]?.ok(true);
    await scene.step();
    expect(scene.factory.reason(r1!)).toBe('evicted');
    expectStats(scene, { size: 0 });
  });

  test('a ping leaves a resource in its place: what was used last is still lent first', async () => {
    const scene = play({ max: 2, keepaliveIntervalMs: 300 });
    const [r1, r2] = await scene.borrow(2);
    r1!.release();
    await scene.adv(200);
    r2!.release();
    await scene.adv(150);
    expect(scene.factory.script.validate.calls.map((call) => call.resource?.name)).toEqual(['r1']);
    expect(scene.pool.tryAcquire()?.resource.name).toBe('r2');
  });

  test('a resource that dies during its ping does not end the pings of the others', async () => {
    const scene = play({ max: 2, keepaliveIntervalMs: 300 });
    await scene.fill(2);
    scene.factory.script.validate.does('manual');
    await scene.adv(300);
    const [ping] = scene.factory.script.validate.calls;
    scene.factory.lost(ping!.resource!);
    await scene.adv(1);
    expect(scene.factory.script.validate.calls.map((call) => call.resource?.name)).toEqual(['r1', 'r2']);
  });

  test('idleness counts from the release, also when the reset outlasted a look at who is idle', async () => {
    const scene = play({ max: 1, idleTimeoutMs: 1000, resetTimeoutMs: Infinity }, { factory: { reset: true } });
    const [held] = await scene.borrow(1);
    const r1 = held!.resource;
    await scene.adv(1100);
    scene.factory.script.reset.does('manual');
    held!.release();
    await scene.adv(950);
    scene.factory.script.reset.pending[0]!.ok();
    await scene.adv(49);
    expect(scene.factory.destroyed(r1)).toBe(0);
    await scene.adv(1);
    expect(scene.factory.reason(r1)).toBe('idleTimeout');
  });

  test('one that was kept for min and idle for long goes when another takes its place', async () => {
    const scene = play({ min: 1, max: 2, idleTimeoutMs: 1000 });
    const [a] = await scene.borrow(1);
    const r1 = a!.resource;
    scene.factory.auto = false;
    const abort = new AbortController();
    scene.acquire({ signal: abort.signal });
    await scene.step();
    abort.abort();
    a!.release();
    await scene.adv(5100);
    expectStats(scene, { idle: 1, creating: 1 });
    scene.factory.pending[0]!.ok();
    await scene.adv(1);
    expect(scene.factory.reason(r1)).toBe('idleTimeout');
    expectStats(scene, { idle: 1, size: 1 });
  });

  test('with a lower min those that have been idle for too long go in that moment', async () => {
    const scene = play({ min: 2, max: 4, idleTimeoutMs: 1000 });
    await scene.adv(5500);
    expectStats(scene, { idle: 2 });
    scene.pool.resize({ min: 0 });
    await scene.adv(0);
    expectStats(scene, { size: 0 });
  });

  test('after a freeze a call that comes before the timer is given nothing that was silent beyond the idle limit', async () => {
    const scene = play({ min: 1, max: 1, idleTimeoutMs: 1000 });
    await scene.step();
    const taken: unknown[] = [];
    scene.clock.schedule(1, () => taken.push(scene.pool.tryAcquire()));
    await scene.clock.stall(5000);
    expect(taken).toEqual([undefined]);
    const [request] = await scene.borrow(1);
    expect(scene.factory.script.validate.calls.map((call) => call.resource)).toEqual([request!.resource]);
  });
});

describe('an eviction with a spread', () => {
  test('leaves each in its place until its replacement is there', async () => {
    const scene = play({ min: 2, max: 4 }, { invariants: { spreading: true } });
    await scene.step();
    const old = scene.factory.alive();
    scene.factory.auto = false;
    scene.pool.evict({ spreadMs: 100 });
    for (let replaced = 1; replaced <= 2; replaced++) {
      await scene.adv(50);
      expectStats(scene, { idle: 2, creating: 1 });
      scene.factory.pending[0]!.ok();
      await scene.step();
      expectStats(scene, { idle: 2, creating: 0 });
      expect(old.filter((resource) => scene.factory.destroyed(resource) > 0)).toHaveLength(replaced);
    }
  });

  test('begins with the oldest', async () => {
    const scene = play({ max: 2 }, { invariants: { spreading: true } });
    const [first] = await scene.borrow(1);
    await scene.adv(10);
    const [second] = await scene.borrow(1);
    second!.release();
    first!.release();
    const ended: string[] = [];
    scene.pool.on('destroy', ({ resource }) => ended.push(resource.name));
    scene.pool.evict({ spreadMs: 1000 });
    await scene.adv(1000);
    expect(ended).toEqual(['r1', 'r2']);
  });
});
