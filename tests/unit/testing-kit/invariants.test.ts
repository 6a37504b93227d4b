// The checks bite: each invariant is broken once, by a pool that lies.

import { Pool, type Lease, type PoolEvents, type PoolStats } from 'millpond';
import {
  checkInvariants,
  InvariantError,
  InvariantWatch,
  PLAIN_OPTIONS,
  probeCapacity,
  ScriptedFactory,
  VirtualClock,
  type InvariantOptions,
  type ScriptedResource,
} from 'millpond/testing';
import { expect, test } from 'vitest';

const E = new Error('refused');

interface Setup {
  readonly clock: VirtualClock;
  readonly factory: ScriptedFactory;
  readonly pool: Pool<ScriptedResource>;
}

function setup(options: object = {}): Setup {
  const clock = new VirtualClock();
  const factory = new ScriptedFactory({ clock });
  return { clock, factory, pool: new Pool({ ...PLAIN_OPTIONS, factory, clock, ...options }) };
}

/** The names of what is broken, when these stats are told instead of the true ones. */
function brokenBy(
  change: Partial<Omit<PoolStats, 'totals'>> & { readonly totals?: Partial<PoolStats['totals']> },
  { pool, factory }: Setup,
  options?: InvariantOptions,
): string[] {
  const stats = pool.stats();
  const lie: PoolStats = { ...stats, ...change, totals: { ...stats.totals, ...change.totals } };
  try {
    checkInvariants({ stats: () => lie }, factory, options);
  } catch (error) {
    expect(error).toBeInstanceOf(InvariantError);
    expect((error as InvariantError).stats).toBe(lie);
    return (error as InvariantError).broken.map((each) => each.split(':')[0]!);
  }
  return [];
}

test('what is true passes', async () => {
  const all = setup({ max: 3 });
  const lease = await all.pool.acquire();
  (await all.pool.acquire()).release();
  expect(brokenBy({}, all)).toEqual([]);
  checkInvariants(all.pool);
  lease.release();
});

test('I1: states that do not add up, are not counts, or exceed max', async () => {
  const all = setup({ max: 2 });
  await all.pool.acquire();
  await all.pool.acquire();
  expect(brokenBy({ size: 3 }, all)).toContain('I1');
  expect(brokenBy({ idle: -1, borrowed: 3 }, all)).toContain('I1');
  expect(brokenBy({ idle: 0.5, borrowed: 1.5 }, all)).toContain('I1');
  expect(brokenBy({ max: 1 }, all)).toContain('I1');
  expect(brokenBy({ max: 1 }, all, { shrinkingFrom: 2 })).toEqual([]);
});

test('I1: a pool that has forgotten what its factory still has, or counts what is not there', async () => {
  const all = setup({ max: 5 });
  await all.pool.acquire();
  await all.pool.acquire();
  expect(brokenBy({ size: 1, borrowed: 1 }, all)).toContain('I1');
  expect(brokenBy({ size: 3, borrowed: 3 }, all)).toContain('I1');
});

test('I1: resources that are closing count, unless strictMax is off', async () => {
  const all = setup({ max: 1, strictMax: false });
  all.factory.script.destroy.does('manual');
  (await all.pool.acquire()).destroy();
  await all.pool.acquire();
  expect(brokenBy({}, all, { strictMax: false })).toEqual([]);
  expect(brokenBy({}, all)).toContain('I1');
});

test('I2: somebody waits beside an idle resource', async () => {
  const all = setup();
  (await all.pool.acquire()).release();
  const waits = { waiting: 1, totals: { acquires: 2 } };
  expect(brokenBy(waits, all)).toEqual(['I2', 'I3']);
  expect(brokenBy({ ...waits, state: 'paused' }, all)).toEqual([]);
  expect(brokenBy(waits, all, { lanes: true })).toEqual([]);
});

test('I3: somebody waits although there is room', async () => {
  const all = setup();
  await all.pool.acquire();
  const waits = { waiting: 1, totals: { acquires: 2 } };
  expect(brokenBy(waits, all)).toEqual(['I3']);
  expect(brokenBy(waits, all, { backoff: true })).toEqual([]);
  expect(brokenBy(waits, all, { limit: 1 })).toEqual([]);
  expect(brokenBy(waits, all, { sharing: 2 })).toEqual(['I3']);
});

test('I7: more creates than maxCreating', async () => {
  const all = setup();
  all.factory.auto = false;
  all.pool.acquire().catch(() => undefined);
  all.pool.acquire().catch(() => undefined);
  await all.clock.flush();
  expect(brokenBy({}, all, { maxCreating: 1 })).toEqual(['I7']);
});

test('I8: what the factory has noticed, and listeners that stay', async () => {
  const all = setup();
  const lease = await all.pool.acquire();
  const resource = lease.resource;
  lease.destroy();
  await all.clock.flush();
  all.factory.violations.push('something no pool may do');
  expect(brokenBy({}, all)).toEqual(['I8']);
  all.factory.violations.length = 0;
  expect(brokenBy({}, all)).toEqual([]);
  const live = await all.factory.create({ signal: new AbortController().signal, attempt: 1 });
  all.factory.onLost!(live, () => undefined);
  await all.factory.destroy(live, { reason: 'late', signal: new AbortController().signal });
  expect(brokenBy({}, all)).toEqual(['I8']);
  expect(all.factory.destroyed(resource)).toBe(1);
});

test('I11: acquires or resources that got lost in the books', async () => {
  const all = setup();
  const lease = await all.pool.acquire();
  (await all.pool.acquire()).destroy();
  await all.clock.flush();
  expect(brokenBy({ totals: { served: 1 } }, all)).toEqual(['I11']);
  expect(brokenBy({ totals: { created: 1 } }, all)).toEqual(['I11']);
  expect(brokenBy({ totals: { created: 5 } }, all)).toEqual(['I11']);
  // One detached too many: then the factory sees less than the pool, too.
  expect(brokenBy({ totals: { detached: 1 } }, all)).toEqual(['I1', 'I11']);
  lease.release();
});

test('I12: a closed pool with somebody or something in it, or with a timer', async () => {
  const all = setup();
  const closing = all.pool.close();
  await all.clock.flush();
  await closing;
  expect(brokenBy({}, all, { clock: all.clock })).toEqual([]);
  expect(brokenBy({ waiting: 1, totals: { acquires: 1 } }, all)).toEqual(['I12']);
  expect(brokenBy({ size: 1, idle: 1, totals: { created: 1 } }, all)).toEqual(['I1', 'I12']);
  all.clock.schedule(5, () => undefined);
  expect(brokenBy({}, all, { clock: all.clock })).toEqual(['I12']);
});

test('the error lists everything that is broken, with the numbers', async () => {
  const all = setup();
  const lie = { ...all.pool.stats(), size: 7, waiting: -1 };
  expect(() => checkInvariants({ stats: () => lie })).toThrow(/I1: waiting = -1\nI1: the states add up to 0, the size is 7[^]*"size":7/);
});

/** A pool whose acquire events are made up. */
function watched(
  all: Setup,
  options?: InvariantOptions,
): { readonly watch: InvariantWatch<ScriptedResource>; lend(lease: Partial<Lease<ScriptedResource>>): void } {
  let listener: (event: PoolEvents<ScriptedResource>['acquire']) => void = () => undefined;
  const watch = new InvariantWatch<ScriptedResource>(
    {
      stats: () => all.pool.stats(),
      on: (_, given) => {
        listener = given;
        return () => undefined;
      },
    },
    all.factory,
    options,
  );
  return { watch, lend: (lease) => listener({ lease: lease as Lease<ScriptedResource>, waitMs: 0 }) };
}

test('I4: a resource that is lent twice, or not lent although the pool says so', async () => {
  const all = setup();
  const { watch, lend } = watched(all);
  const lease = await all.pool.acquire();
  expect(() => watch.check()).toThrow(/I4: 0 resources are lent, the pool says 1/);
  lend(lease);
  watch.check();
  lend({ resource: lease.resource, ended: false });
  expect(() => watch.check()).toThrow(/I4: r1 was lent to 2 at once/);
});

test('I4: with sharing so many may have it', async () => {
  const all = setup({ sharing: 2, max: 1 });
  const { watch, lend } = watched(all, { sharing: 2 });
  const leases = [await all.pool.acquire(), await all.pool.acquire()];
  for (const lease of leases) lend(lease);
  watch.check();
  lend({ resource: leases[0]!.resource, ended: false });
  expect(() => watch.check()).toThrow(/I4: r1 was lent to 3 at once/);
});

test('I4: a hook that runs on a resource that is lent', async () => {
  for (const hook of ['validate', 'destroy'] as const) {
    const all = setup();
    const { watch, lend } = watched(all);
    const lease = await all.pool.acquire();
    lend(lease);
    const { signal } = new AbortController();
    if (hook === 'validate') await all.factory.validate!(lease.resource, { ...lease.info, signal });
    else await all.factory.destroy(lease.resource, { reason: 'idleTimeout', signal });
    expect(() => watch.check()).toThrow(new RegExp(`I4: ${hook} ran on r1 while it was lent`));
  }
});

test('I9: a resource that was lent although it was broken or gone', async () => {
  const all = setup();
  const { watch, lend } = watched(all);
  const lease = await all.pool.acquire();
  all.factory.broken.add(lease.resource);
  lend(lease);
  expect(() => watch.check()).toThrow(/I9: r1 was lent although it is broken/);
});

test('I7: a create that nobody asked for', async () => {
  const all = setup({ min: 1 });
  const { watch } = watched(all);
  await all.clock.flush();
  watch.check();
  void all.factory.create({ signal: new AbortController().signal, attempt: 1 });
  await all.clock.flush();
  expect(() => watch.check()).toThrow(/I7: a create was started beside 0, for 0 waiters and 1 of min 1/);
});

test('I7: during an eviction with a spread replacements need no demand', async () => {
  const all = setup();
  const { watch } = watched(all, { spreading: true });
  void all.factory.create({ signal: new AbortController().signal, attempt: 1 });
  await all.clock.flush();
  expect(() => watch.check()).toThrow(/I1/);
  expect(() => watch.check()).not.toThrow(/I7/);
});

test('I1: after a shrink the size may fall, not grow', () => {
  const empty = setup().pool.stats();
  let told: Partial<PoolStats> = { max: 3 };
  const watch = new InvariantWatch<ScriptedResource>(
    { stats: () => ({ ...empty, ...told }), on: () => () => undefined },
    new ScriptedFactory(),
  );
  const complaint = (max: number, size: number): string => {
    told = { max, size, borrowed: size };
    try {
      watch.check();
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };
  // Only what is said of the size matters here; that nothing of it exists is said as well.
  expect(complaint(1, 3)).not.toMatch(/I1: 3 resources counted/);
  expect(complaint(1, 2)).not.toMatch(/I1: 2 resources counted/);
  expect(complaint(1, 3)).toMatch(/I1: 3 resources counted, max is 1/);
});

test('I10: a pool that has lost a place, or found one', async () => {
  const all = setup({ max: 2 });
  await probeCapacity(all.pool, all.clock);
  expect(all.pool.stats()).toMatchObject({ idle: 2, waiting: 0 });
  const leaked = await all.pool.acquire();
  await expect(probeCapacity(all.pool, all.clock)).rejects.toThrow(/I10: 1 of 2 acquires were served at once/);
  leaked.release();
  await probeCapacity(all.pool, all.clock);
  const more = { stats: () => ({ ...all.pool.stats(), max: 1 }), acquire: all.pool.acquire.bind(all.pool) };
  await expect(probeCapacity(more, all.clock)).rejects.toThrow(/I10: one more than 1 was served/);
  all.factory.failCreates(E);
  all.pool.evict();
  await all.clock.flush();
  await expect(probeCapacity(all.pool, all.clock)).rejects.toThrow(/I10: an acquire was refused: CreateError/);
});
