// Who waits and who holds, as the console tells it, and as `millpond top` writes it down.

import { afterEach, expect, it } from 'vitest';
import { Pool } from 'millpond';
import { Recorder } from '../../../packages/millpond/src/console/recorder.ts';
import { History, pictureOf } from '../../../packages/millpond/src/console/top/picture.ts';
import { snapshotOf, type Snapshot } from '../../../packages/millpond/src/console/view.ts';
import { queueOf } from '../../../packages/millpond/src/sight/queue.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const LANES = { web: { share: 3 }, batch: { share: 1 } };

function open(name: string, options: Partial<ConstructorParameters<typeof Pool<object>>[0]> = {}): Pool<object> {
  const pool = new Pool<object>({ name, max: 1, factory: { create: () => ({}), destroy: () => undefined }, ...options });
  undo.push(() => pool.close({ deadlineMs: 0 }));
  return pool;
}

function wait(pool: Pool<object>, lane?: string): void {
  pool.acquire(lane === undefined ? {} : { lane }).catch(() => undefined);
}

function look(): Snapshot {
  const recorder = new Recorder();
  undo.push(() => recorder.stop());
  return snapshotOf(recorder, false, { pool: 'orders' });
}

it('tells how long those who wait have waited, lane by lane, the first in line first', async () => {
  const pool = open('orders', { lanes: LANES });
  await pool.acquire({ lane: 'web', label: 'GET /' });
  wait(pool, 'batch');
  await new Promise((resolve) => { setImmediate(resolve); });
  for (let n = 0; n < 3; n++) wait(pool, 'web');
  const { lanes, waitedMs } = queueOf(pool, 2);
  expect(lanes.map(({ name, share, held, waiting }) => [name, share, held, waiting])).toEqual([['web', 3, 1, 3], ['batch', 1, 0, 1]]);
  expect(waitedMs).toHaveLength(2);
  expect(waitedMs[0]).toBe(Math.max(...waitedMs));
  expect(lanes[1]!.oldestMs).toBeGreaterThan(lanes[0]!.oldestMs);
  const { pools: [view], detail } = look();
  expect([view!.waitedMs.length, view!.heldBy]).toEqual([4, 'GET /']);
  expect(detail!.lanes).toHaveLength(2);
});

it('tells at most so many ages, and nothing of a pool where nobody waits', async () => {
  const pool = open('orders');
  expect(queueOf(pool, 64)).toEqual({ waitedMs: [], lanes: [{ name: 'default', share: 1, held: 0, waiting: 0, oldestMs: 0 }] });
  await pool.acquire();
  for (let n = 0; n < 100; n++) wait(pool);
  expect(look().pools[0]!.waitedMs).toHaveLength(64);
  expect(queueOf({ on: () => undefined } as never, 64)).toEqual({ waitedMs: [], lanes: [] });
});

it('writes for every width what there is room for, the most telling first', async () => {
  const pool = open('orders');
  open('users');
  await pool.acquire({ label: 'nightly \u001B[2J report' });
  wait(pool);
  const snapshot = look();
  const history = new History();
  history.note(snapshot);
  const at = (width: number, height = 30): string[] => pictureOf(snapshot, history, { width, height });
  expect(at(120)[2]).toMatch(/^pool +state +used\/max +idle +wait +\/s +p50 +p99 +timeouts +oldest +borrowed$/);
  expect(at(80)[2]).toMatch(/^pool +state +used\/max +idle +wait +\/s +p99 +oldest$/);
  expect(at(60)[2]).toMatch(/^pool +used\/max +wait +\/s +p99 +oldest$/);
  expect(at(20)[3]).toMatch(/^orders/);
  for (const width of [20, 60, 80, 120, 200]) {
    expect(at(width).every((line) => line.length <= width)).toBe(true);
    // What others have written must not move the cursor.
    expect(at(width).join('')).not.toMatch(/[\u0000-\u001F]/);
  }
  expect(at(80).join('\n')).toMatch(/who holds longest\n +\d+(\.\d)? ms orders nightly {2}\[2J report/);
  expect(at(80, 10)).toHaveLength(10);
});
