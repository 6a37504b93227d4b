// Pool.queue: an acquire that calls back.

import { AcquireTimeoutError, Pool, type Lease } from 'millpond';
import { VirtualClock } from 'millpond/testing';
import { expect, test } from 'vitest';

interface Seat {
  readonly told: string[];
  lease: Lease<number> | undefined;
  error: unknown;
  leave(reason: unknown): void;
}

function poolOfOne(): { readonly pool: Pool<number>; readonly clock: VirtualClock } {
  const clock = new VirtualClock();
  let made = 0;
  return { clock, pool: new Pool({ factory: { create: () => ++made, destroy: () => undefined }, max: 1, acquireTimeoutMs: 1000, clock }) };
}

function queue(pool: Pool<number>, timeoutMs?: number): Seat {
  const seat: Seat = { told: [], lease: undefined, error: undefined, leave: () => undefined };
  seat.leave = Pool.queue(pool, (lease) => {
    seat.told.push('served');
    seat.lease = lease;
  }, (error) => {
    seat.told.push('refused');
    seat.error = error;
  }, timeoutMs);
  return seat;
}

test('who queues is served in turn, in the middle of the release that serves him', async () => {
  const { pool } = poolOfOne();
  const lease = await pool.acquire();
  const first = queue(pool);
  const second = pool.acquire();
  expect(pool.stats().waiting).toBe(2);
  lease.release();
  expect(first.told).toEqual(['served']);
  first.lease!.release();
  expect((await second).resource).toBe(1);
});

test('who leaves is told so with his reason, once, and takes nothing; who was served cannot leave', async () => {
  const { pool } = poolOfOne();
  const lease = await pool.acquire();
  const gone = queue(pool);
  gone.leave('enough');
  gone.leave('again');
  expect([gone.told, gone.error, pool.stats().waiting]).toEqual([['refused'], 'enough', 0]);
  lease.release();
  const served = queue(pool);
  served.leave('too late');
  expect([served.told, served.lease!.resource]).toEqual([['served'], 1]);
});

test('the deadline is that of the pool, or its own', async () => {
  const { pool, clock } = poolOfOne();
  const lease = pool.acquire();
  await clock.advance(0);
  const [usual, short, patient] = [queue(pool), queue(pool, 500), queue(pool, Infinity)];
  await clock.advance(999);
  expect([usual.told, short.told]).toEqual([[], ['refused']]);
  await clock.advance(1);
  expect([usual.error, short.error].map((error) => error instanceof AcquireTimeoutError)).toEqual([true, true]);
  await clock.advance(100_000);
  (await lease).release();
  expect(patient.told).toEqual(['served']);
});
