// The model-based property: whatever is done to a pool, in whatever order, it does what the model does. A failure prints the shortest
// list of commands that still shows it, with the seed and the path that repeat it (CONTRIBUTING.md).

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commands, compare } from './commands.ts';
import { Model } from './model.ts';
import { Real } from './real.ts';

const RUNS = Number(process.env['RUNS'] ?? 400);

const world = fc.record({
  max: fc.integer({ min: 1, max: 4 }),
  maxWaiting: fc.constantFrom(Infinity, Infinity, 0, 2),
  fifo: fc.boolean(),
});

test('a pool does what the model does, whatever is done to it', async () => {
  await fc.assert(
    fc.asyncProperty(world, commands, async ({ max, maxWaiting, fifo }, steps) => {
      const setup = (): { model: Model; real: Real } => ({
        model: new Model(max, maxWaiting, fifo),
        real: new Real({ max, maxWaiting, idleOrder: fifo ? 'fifo' : 'lifo' }),
      });
      let last: { model: Model; real: Real } | undefined;
      await fc.asyncModelRun(() => (last = setup()), steps);
      await endWell(last!.model, last!.real);
    }),
    { numRuns: RUNS },
  );
}, 300_000);

/** I10 and I12: when everything has come back exactly `max` can be had at once, and after close nothing is left. */
async function endWell(model: Model, real: Real): Promise<void> {
  model.resume();
  real.pool.resume();
  await real.clock.flush();
  // In the order of asking: whoever is served by a release asked later.
  for (let ask = 0; ask < model.outcomes.length; ask++) {
    model.end(ask, 'release');
    real.leases.get(ask)?.release();
    await real.clock.flush();
  }
  compare(model, real);
  expect(model.waiting).toBe(0);
  for (let i = 0; i <= model.max; i++) {
    model.acquire(1000);
    real.acquire(1000);
  }
  await real.clock.flush();
  expect(real.pool.stats()).toMatchObject({ borrowed: model.max, waiting: model.maxWaiting === 0 ? 0 : 1 });
  compare(model, real);
  model.close();
  const closing = real.pool.close({ deadlineMs: 50 });
  await real.clock.flush();
  compare(model, real);
  await real.clock.advance(50);
  expect((await closing).abandoned).toHaveLength(model.held.size);
  expect(real.pool.stats()).toMatchObject({ state: 'closed', size: 0 });
  expect(real.clock.pending).toBe(0);
  expect(real.alive.size).toBe(0);
}
