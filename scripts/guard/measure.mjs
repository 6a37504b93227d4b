// One measurement of the hot path, in a process of its own: ratios of CPU time, never times, because only what ran in the same minute on
// the same machine can be compared. All series take turns in batches of a few milliseconds; of each series the quickest batch counts, the
// one that nothing disturbed. It goes on until no series has become quicker for a while.
//
// Bytes are the growth of the heap over a batch during which nothing is collected (the young generation is large enough: FLAGS).

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../lib/run.mjs';
import { SmallestPool } from './smallest.mjs';

export const FLAGS = ['--expose-gc', '--single-threaded-gc', '--min-semi-space-size=64', '--max-semi-space-size=64'];

/** Operations per batch. */
const BATCH = 6_000;
const WARM_ROUNDS = 12;
/** A round is news when a series became quicker by more than this. */
const PROGRESS = 0.99;
const QUIET_ROUNDS = 40;
/** Of CPU time, so that it is as many rounds on a machine that is busy with something else. */
const LIMIT_MS = 4_000;
/** Enough to notice what is far off. */
const LIMIT_HINDERED_MS = 2_000;
const LEAST_ROUNDS = 40;

/** What a worker awaits while it holds something. */
const settled = Promise.resolve();

/** What can be put in the way of the pool, to see that it is noticed. */
export const HANDICAPS = ['hop', 'allocation'];

/** Measures; `handicap` is one of {@link HANDICAPS} or undefined. */
export async function measure(handicap) {
  const { Pool } = await import(pathToFileURL(join(root, 'packages/millpond/dist/index.js')).href);
  const open = async (options) => {
    const pool = new Pool({ factory: { create: () => ({}), destroy: () => undefined }, max: 10, min: 10, ...options });
    await pool.ready();
    return handicap === undefined ? pool : hindered(pool, handicap);
  };
  /** @type {any} */
  const series = {
    floor: awaits(Promise.resolve(1)),
    smallest64: workersOfSmallest(64),
    smallest1000: workersOfSmallest(1000),
    tryAcquire: tries(await open({})),
    acquire: acquires(await open({})),
    contended64: workers(await open({}), 64),
    contended1000: workers(await open({}), 1000),
    shared1000: sharers(await open({ min: 4, max: 4, sharing: 32 }), 1000),
  };
  const quickest = await race(series, handicap === undefined ? LIMIT_MS : LIMIT_HINDERED_MS);
  /** @type {any} */
  const bytes = {};
  for (const name of ['tryAcquire', 'acquire', 'contended64']) bytes[name] = await bytesPerCall(series[name]);
  return {
    ratios: {
      'tryAcquire + release ÷ floor': quickest.tryAcquire / quickest.floor,
      'acquire + release ÷ floor': quickest.acquire / quickest.floor,
      '64 workers ÷ smallest pool': quickest.contended64 / quickest.smallest64,
      '1000 workers ÷ smallest pool': quickest.contended1000 / quickest.smallest1000,
      '1000 workers, 32 share one ÷ smallest pool': quickest.shared1000 / quickest.smallest1000,
    },
    bytes: {
      'tryAcquire + release': bytes.tryAcquire,
      'acquire + release': bytes.acquire,
      '64 workers': bytes.contended64,
    },
  };
}

/** Microseconds of CPU time since then. */
function cpuSince(before) {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** CPU nanoseconds per call in the quickest batch of each series. */
async function race(series, limitMs) {
  /** @type {any} */
  const quickest = Object.fromEntries(Object.keys(series).map((name) => [name, Infinity]));
  const start = process.cpuUsage();
  for (let round = 0, quiet = 0; round < LEAST_ROUNDS || (quiet < QUIET_ROUNDS && cpuSince(start) < limitMs * 1000); round++, quiet++) {
    for (const [name, batch] of Object.entries(series)) {
      const before = process.cpuUsage();
      await batch(BATCH);
      const took = (cpuSince(before) * 1000) / BATCH;
      if (round < WARM_ROUNDS) continue;
      if (took < quickest[name] * PROGRESS) quiet = 0;
      quickest[name] = Math.min(quickest[name], took);
    }
  }
  return quickest;
}

async function bytesPerCall(batch) {
  let least = Infinity;
  for (let round = 0; round < 5; round++) {
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    await batch(BATCH);
    least = Math.min(least, (process.memoryUsage().heapUsed - before) / BATCH);
  }
  return Math.round(least);
}

const awaits = (resolved) => async (calls) => {
  for (let i = 0; i < calls; i++) await resolved;
};

const tries = (pool) => async (calls) => {
  for (let i = 0; i < calls; i++) pool.tryAcquire().release();
};

const acquires = (pool) => async (calls) => {
  for (let i = 0; i < calls; i++) {
    const lease = await pool.acquire();
    lease.release();
  }
};

/** So many run at once, each holding what it got for one microtask. */
async function atOnce(count, calls, turn) {
  let left = calls;
  const run = async () => {
    while (left-- > 0) await turn();
  };
  await Promise.all(Array.from({ length: count }, run));
}

const workers = (pool, count) => (calls) => atOnce(count, calls, async () => {
  const lease = await pool.acquire();
  await settled;
  lease.release();
});

const sharers = (pool, count) => (calls) => atOnce(count, calls, async () => {
  const lease = pool.tryAcquire() ?? await pool.acquire();
  await settled;
  lease.release();
});

function workersOfSmallest(count) {
  const pool = new SmallestPool(Array.from({ length: 10 }, () => ({})));
  return (calls) => atOnce(count, calls, async () => {
    const resource = await pool.acquire();
    await settled;
    pool.release(resource);
  });
}

/** The pool with something added that a careless change could add: one more promise, or one more object per acquire. */
function hindered(pool, handicap) {
  const kept = [];
  const note = (lease) => {
    kept[0] = handicap === 'allocation' ? { lease, at: [0, 0, 0, 0, 0, 0, 0, 0] } : lease;
    return lease;
  };
  return {
    tryAcquire: () => note(pool.tryAcquire()),
    acquire: handicap === 'hop' ? async () => note(await pool.acquire()) : () => pool.acquire().then(note),
  };
}
