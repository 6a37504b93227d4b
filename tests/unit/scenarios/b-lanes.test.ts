// B, 26a: lanes. Two classes of callers on ten resources: high holds for 5 ms, low for 200 ms and always has somebody waiting.

import { seededRandom, type Request, type ScriptedResource } from 'millpond/testing';
import { expect, test } from 'vitest';
import { play, type Stage } from './play.ts';

const LANES = { high: { share: 8 }, low: { share: 2 } };
const MAX = 10;
const HIGH_HOLD_MS = 5;
const LOW_HOLD_MS = 200;

interface Outcome {
  /** Part of the pool's time in which a resource was lent, and to whom. */
  readonly busy: number;
  readonly lowBusy: number;
  readonly highWaits: number[];
}

/** `load`: what high asks for, in parts of what its share of the pool can do. Arrivals are random (Poisson): even ones never queue. */
async function simulate(load: number, durationMs: number): Promise<Outcome> {
  const scene = play({ max: MAX, lanes: LANES, acquireTimeoutMs: 2000 });
  const random = seededRandom(`26a at ${load}`);
  const { clock } = scene;
  let busyMs = 0;
  let lowMs = 0;
  const highWaits: number[] = [];
  const ask = (lane: 'high' | 'low', holdMs: number, after?: () => void): void => {
    const askedAt = clock.now();
    scene.pool.acquire({ lane }).then(
      (lease) => {
        const from = clock.now();
        const counted = Math.min(holdMs, durationMs - from);
        busyMs += counted;
        if (lane === 'low') lowMs += counted;
        else highWaits.push(from - askedAt);
        clock.schedule(from + holdMs, () => {
          lease.release();
          after?.();
        });
      },
      () => after?.(),
    );
  };
  const lowAgain = (): void => {
    ask('low', LOW_HOLD_MS, lowAgain);
  };
  for (let i = 0; i < 3 * MAX; i++) lowAgain();
  const meanGapMs = HIGH_HOLD_MS / LANES.high.share / load;
  const arrive = (): void => {
    ask('high', HIGH_HOLD_MS);
    clock.schedule(clock.now() + random.exponential(meanGapMs), arrive);
  };
  arrive();
  while (clock.now() < durationMs) {
    await clock.advance(100);
    scene.check();
  }
  return { busy: busyMs / (MAX * durationMs), lowBusy: lowMs / durationMs, highWaits };
}

function percentile(values: number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(part * (sorted.length - 1))]!;
}

async function waitersOf(scene: Stage, lane: string, count: number): Promise<Request<ScriptedResource>[]> {
  const requests = Array.from({ length: count }, () => scene.acquire({ lane }));
  await scene.step();
  return requests;
}

const served = (requests: readonly Request<ScriptedResource>[]): number => requests.filter((request) => request.state === 'served').length;

test('26a: with high at 30 % of capacity the pool is busy, and high waits at most 60 ms in 99 of 100 cases', async () => {
  const { busy, highWaits } = await simulate(0.3, 60_000);
  expect(busy).toBeGreaterThanOrEqual(0.95);
  expect(highWaits.length).toBeGreaterThan(25_000);
  expect(percentile(highWaits, 0.99)).toBeLessThanOrEqual(60);
});

test('26a: with high at 150 % of capacity low keeps its two resources', async () => {
  const { lowBusy } = await simulate(1.5, 10_000);
  expect(lowBusy).toBeGreaterThanOrEqual(0.95 * 2);
});

test('26a: without a high waiter low borrows all but the headroom', async () => {
  const scene = play({ max: MAX, lanes: LANES });
  const low = await waitersOf(scene, 'low', 12);
  expect(served(low)).toBe(8);
  const high = await waitersOf(scene, 'high', 2);
  expect(served(high)).toBe(2);
});

test('26a: with headroom 0 low borrows all', async () => {
  const scene = play({ max: MAX, lanes: LANES, headroom: 0 });
  expect(served(await waitersOf(scene, 'low', 12))).toBe(10);
});
