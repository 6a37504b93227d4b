import { afterEach, expect, it } from 'vitest';
import { Pool, PoolError } from 'millpond';
import { VirtualClock } from 'millpond/testing';
import { act, ActionError } from '../../../packages/millpond/src/console/actions.ts';
import { EventLog, masked } from '../../../packages/millpond/src/console/events.ts';
import { Recorder } from '../../../packages/millpond/src/console/recorder.ts';
import { Ring } from '../../../packages/millpond/src/console/ring.ts';
import { snapshotOf } from '../../../packages/millpond/src/console/view.ts';
import { isForgotten } from '../../support/retained.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

function open(name: string, options: Partial<ConstructorParameters<typeof Pool<object>>[0]> = {}): Pool<object> {
  const pool = new Pool<object>({ name, max: 2, factory: { create: () => ({}), destroy: () => undefined }, ...options });
  undo.push(() => pool.close({ deadlineMs: 0 }));
  return pool;
}

function record(): Recorder {
  const recorder = new Recorder();
  undo.push(() => recorder.stop());
  return recorder;
}

it('keeps the last ones of a ring, the oldest first', () => {
  const ring = new Ring<number>(3);
  expect(ring.toArray()).toEqual([]);
  for (const n of [1, 2]) ring.add(n);
  expect(ring.toArray()).toEqual([1, 2]);
  for (const n of [3, 4, 5, 6, 7]) ring.add(n);
  expect(ring.toArray()).toEqual([5, 6, 7]);
});

it('tells of every pool, of those that come later, and no more of those that close', async () => {
  const first = open('first');
  const recorder = record();
  const second = open('second');
  const ids = (): string[] => snapshotOf(recorder, false).pools.map(({ id }) => id);
  expect(ids()).toEqual(['first', 'second']);
  await first.close();
  expect(ids()).toEqual(['second']);
  open('second');
  expect(ids()).toEqual(['second', 'second#2']);
  await second.close();
});

it('tells what is: numbers, who holds what, how long it took', async () => {
  const pool = open('orders', { captureStacks: true });
  const recorder = record();
  snapshotOf(recorder, false);
  const leases = [await pool.acquire({ label: 'one' }), await pool.acquire({ label: 'two' })];
  const waiting = pool.acquire();
  recorder.tick();
  const { pools: [view], detail } = snapshotOf(recorder, true, { pool: 'orders' });
  expect(view).toMatchObject({ id: 'orders', stats: { borrowed: 2, waiting: 1, max: 2 } });
  expect(view!.peaks).toMatchObject({ borrowed: { value: 2 }, waiting: { value: 1 } });
  expect(view!.heldMs).toHaveLength(2);
  expect(detail!.holders.map(({ label, stack }) => [label, stack?.includes('recording.test.ts')])).toEqual([['one', true], ['two', true]]);
  expect(detail!.points.at(-1)!.slice(1, 5)).toEqual([0, 2, 1, 0]);
  expect(detail!.wait.count).toBe(2);
  expect(detail!.settings.find(({ name }) => name === 'max')).toEqual({ name: 'max', value: '2', isDefault: false });
  expect(detail!.settings.find(({ name }) => name === 'idleTimeoutMs')).toMatchObject({ isDefault: true });
  leases[0]!.release();
  (await waiting).release();
  leases[1]!.release();
  expect(snapshotOf(recorder, true, { pool: 'orders' }).detail!.use.count).toBe(3);
});

it('writes down what is rare, in words that say why and what to do', async () => {
  const pool = open('orders', { max: 1, acquireTimeoutMs: 1 });
  const recorder = record();
  const lease = await pool.acquire();
  await expect(pool.acquire()).rejects.toThrow(PoolError);
  lease.destroy(new Error('connect postgres://app:hunter2@db/orders failed'));
  pool.pause();
  pool.resume();
  const told = snapshotOf(recorder, false).events.map(({ kind, what, text }) => ({ kind, what, text }));
  expect(told.map(({ kind, what }) => `${kind} ${what}`)).toEqual([
    'create created', 'refused ERR_POOL_ACQUIRE_TIMEOUT', 'destroy leaseDestroyed', 'state paused', 'state open',
  ]);
  expect(told[1]!.text).toContain('Pool "orders"');
  expect(told[2]!.text).toContain('postgres://app:***@db');
  expect(told.every(({ text }) => !text.includes('hunter2'))).toBe(true);
});

it('finds words for whatever a create may throw', async () => {
  const recorder = record();
  const told = async (thrown: unknown): Promise<string> => {
    const fail = (): never => { throw thrown; };
    const pool = open('odd', { factory: { create: fail, destroy: () => undefined }, createRetry: false });
    await expect(pool.acquire()).rejects.toThrow(PoolError);
    await pool.close();
    const failures = snapshotOf(recorder, false).events.filter(({ kind }) => kind === 'createError');
    return failures.at(-1)!.text;
  };
  expect(await told(Object.create(null))).toContain('unknown error');
  expect(await told(Object.assign(new Error('x'), { message: { toString: null } }))).toContain('unknown error');
  expect(await told(null)).toContain('null');
});

it('keeps no pool alive that was dropped without a close', async () => {
  const recorder = record();
  const ref = ((): WeakRef<object> => {
    const pool = new Pool({ name: 'dropped', max: 1, factory: { create: () => ({}), destroy: () => undefined } });
    recorder.tick();
    snapshotOf(recorder, false, { pool: 'dropped' });
    return new WeakRef(pool);
  })();
  expect(recorder.records.map(({ id }) => id)).toContain('dropped');
  await expect.poll(() => isForgotten(ref), { timeout: 20_000 }).toBe(true);
  expect(recorder.records.map(({ id }) => id)).not.toContain('dropped');
});

it('notes the longest holds, however many labels there were before', async () => {
  const clock = new VirtualClock();
  const pool = open('orders', { max: 70, clock });
  const recorder = record();
  const oldest = await pool.acquire({ label: 'oldest' });
  await clock.advance(5_000);
  const others = await Promise.all(Array.from({ length: 60 }, (_, n) => pool.acquire({ label: `request ${n}` })));
  await clock.advance(2_000);
  recorder.tick();
  oldest.release();
  await clock.advance(60_000);
  for (const lease of others) lease.release();
  const slow = await pool.acquire({ label: 'slow' });
  await clock.advance(90_000);
  recorder.tick();
  const { longHolds } = snapshotOf(recorder, false, { pool: 'orders' }).detail!;
  expect(longHolds.slice(0, 2).map(({ label }) => label)).toEqual(['slow', 'oldest']);
  slow.release();
});

it('masks what looks like a secret', () => {
  expect(masked('redis://:abc@host:1 password=abc token: "abc" apiKey=abc, secret=abc')).not.toContain('abc');
  expect(masked('redis://:a@bc@host password: "abc abc" Authorization: Bearer abc')).not.toContain('bc');
  expect(masked('a plain sentence with 10.0.0.1:5432')).toBe('a plain sentence with 10.0.0.1:5432');
});

it('leaves out what is too much in a second, counts it, and keeps no more than it may', () => {
  const log = new EventLog();
  for (let n = 0; n < 10_000; n++) log.add('p', 'destroy', 'broken', `#${n}`);
  // All within a second or two.
  expect(log.since(0).length).toBeLessThanOrEqual(120);
  expect(log.leftOut + log.since(0).length).toBe(10_000);
  log.add('p', 'action', 'pause', 'always kept');
  expect(log.since(0).at(-1)).toMatchObject({ text: 'always kept' });
  expect(log.since(log.since(0).at(-1)!.id)).toEqual([]);
});

it('lists a hundred of a thousand pools, the busiest, and counts the others', async () => {
  const pools = Array.from({ length: 1_000 }, (_, n) => open(`pool ${n}`, { fill: false }));
  const recorder = record();
  const lease = await pools[777]!.acquire();
  const { pools: listed, morePools } = snapshotOf(recorder, false);
  expect(listed).toHaveLength(100);
  expect(morePools).toBe(900);
  expect(listed.map(({ id }) => id)).toContain('pool 777');
  expect(snapshotOf(recorder, false, { search: 'pool 99' }).pools).toHaveLength(11);
  open('one too many');
  expect(snapshotOf(recorder, false).morePools).toBe(901);
  expect(JSON.stringify(snapshotOf(recorder, false)).length).toBeLessThan(200_000);
  lease.release();
});

it('listens to no acquire and no release before somebody looks', async () => {
  const pool = open('quiet');
  const recorder = record();
  (await pool.acquire()).release();
  recorder.tick();
  expect(snapshotOf(recorder, false).pools[0]!.wait.count).toBe(0);
  (await pool.acquire()).release();
  expect(snapshotOf(recorder, false).pools[0]!.wait.count).toBe(1);
});

it('does what is asked of a pool, says what came of it, and refuses nonsense', async () => {
  const pool = open('orders');
  const recorder = record();
  const lost = await pool.acquire();
  expect(act(recorder, { pool: 'orders', action: 'resize', max: 5, min: 1 })).toBe('resized: min 1, max 5');
  expect(act(recorder, { pool: 'orders', action: 'pause' })).toContain('paused');
  expect(pool.state).toBe('paused');
  act(recorder, { pool: 'orders', action: 'resume' });
  act(recorder, { pool: 'orders', action: 'captureStacks' });
  const traced = await pool.acquire();
  expect(pool.holders().some(({ stack }) => stack !== undefined)).toBe(true);
  expect(act(recorder, { pool: 'orders', action: 'reclaim', resource: lost.info.id })).toContain('1 leases');
  expect(lost.ended).toBe(true);
  // Whoever looked saw an old lease; its resource is somebody else's by now.
  const other = { pool: 'orders', action: 'reclaim', resource: traced.info.id };
  expect(() => act(recorder, { ...other, heldMs: 60_000 })).toThrow('has ended by itself');
  expect(traced.ended).toBe(false);
  expect(act(recorder, { pool: 'orders', action: 'evict' })).toContain('replaced');
  traced.release();
  expect(snapshotOf(recorder, true).events.filter(({ kind }) => kind === 'action')).toHaveLength(6);
  for (const nonsense of [
    undefined, null, 1, {}, { pool: 'orders' }, { pool: 'orders', action: 'drop' }, { pool: 'nowhere', action: 'pause' },
    { pool: 'orders', action: 'resize', max: -1 }, { pool: 'orders', action: 'resize', max: 1.5 }, { pool: 'orders', action: 'resize',
      max: '9' },
  ]) expect(() => act(recorder, nonsense)).toThrow(ActionError);
});
