import { afterEach, expect, it } from 'vitest';
import { KeyedPool, Pool } from 'millpond';
import { ScriptedFactory, VirtualClock } from 'millpond/testing';
import { livingPools, sightOf } from '../../../packages/millpond/src/sight/sight.ts';
import { reclaim } from '../../../packages/millpond/src/sight/reclaim.ts';
import { isForgotten } from '../../support/retained.ts';

const opened: { close(): Promise<unknown> }[] = [];
const plain = { create: () => ({}), destroy: () => undefined };

function open(name: string, options: { readonly max?: number } = {}): Pool<object> {
  const pool = new Pool({ name, factory: plain, max: 1, ...options });
  opened.push(pool);
  return pool;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((pool) => pool.close()));
});

it('lists the pools of the process in the order of their making, those behind keys too, until they close', async () => {
  const others = new Set(livingPools());
  const first = open('first');
  const keyed = new KeyedPool({ factory: () => plain, max: 1, name: 'by key' });
  opened.push(keyed);
  (await keyed.acquire('a')).release();
  const last = open('last');
  const names = (): string[] => livingPools().filter((pool) => !others.has(pool)).map(({ name }) => name);
  expect(names()).toEqual(['first', expect.stringContaining('by key'), 'last']);
  await first.close();
  await keyed.close();
  expect(names()).toEqual(['last']);
  expect(livingPools().at(-1)).toBe(last);
});

it('keeps no pool alive that was dropped without a close', async () => {
  const ref = ((): WeakRef<object> => new WeakRef(new Pool({ name: 'dropped', factory: plain, max: 1 })))();
  expect(livingPools().at(-1)?.name).toBe('dropped');
  await expect.poll(() => isForgotten(ref), { timeout: 20_000 }).toBe(true);
  expect(livingPools().map(({ name }) => name)).not.toContain('dropped');
});

it('records from the first look on, once, whoever looks', async () => {
  const clock = new VirtualClock();
  const factory = new ScriptedFactory({ clock });
  factory.script.create.behaviour = { afterMs: 20 };
  const pool = new Pool({ name: 'seen', factory, max: 1, clock });
  opened.push(pool);
  const sight = sightOf(pool);
  expect(sightOf(pool)).toBe(sight);
  const served = pool.acquire();
  await clock.advance(20);
  const lease = await served;
  const late = pool.acquire();
  await clock.advance(300);
  lease.release();
  await clock.advance(0);
  (await late).release();
  expect({ count: sight.create.count, sumMs: sight.create.sumMs }).toEqual({ count: 1, sumMs: 20 });
  expect({ count: sight.wait.count, sumMs: sight.wait.sumMs }).toEqual({ count: 2, sumMs: 320 });
  expect({ count: sight.use.count, maxMs: sight.use.maxMs }).toEqual({ count: 2, maxMs: 300 });
});

it('takes a lease back: its holder finds it ended, the resource is gone and the next one gets a new one', async () => {
  const pool = open('leaky');
  const lost = await pool.acquire({ label: 'report' });
  const next = pool.acquire();
  expect(reclaim(pool, 99)).toBe(0);
  expect(reclaim(pool, pool.holders()[0]!.id)).toBe(1);
  expect(lost.ended).toBe(true);
  const lease = await next;
  expect(lost.release()).toBe(false);
  expect(lease.ended).toBe(false);
  lease.release();
  expect(pool.stats().totals).toMatchObject({ created: 2, staleReleases: 1, destroyed: { leaseDestroyed: 1 } });
});

it('switches the capture of stacks on in a running pool, and off again', async () => {
  const pool = open('running', { max: 3 });
  const before = await pool.acquire();
  expect(pool.captureStacks(1)).toBe(0);
  const during = await pool.acquire();
  expect(pool.captureStacks(0)).toBe(1);
  const after = await pool.acquire();
  expect(pool.holders().map(({ stack }) => stack?.includes('sight.test.ts'))).toEqual([undefined, true, undefined]);
  expect(() => pool.captureStacks(2)).toThrow(/captureStacks/);
  for (const lease of [before, during, after]) lease.release();
});
