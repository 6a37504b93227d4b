// The same hooks in another order: creates, validations, resets and destroys end when fast-check's scheduler lets them, so that every order
// can come up, between the actions of the callers. The invariants hold after each, and in the end nobody is lost and nothing is left.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Stage, type Action, type World } from './stage.ts';

const RUNS = Number(process.env['RUNS'] ?? 300);

const worlds = fc.record<World>({
  max: fc.integer({ min: 1, max: 4 }),
  min: fc.integer({ min: 0, max: 1 }),
  maxCreating: fc.integer({ min: 1, max: 3 }),
  createRetry: fc.boolean(),
});

const stories = fc.array(
  fc.constantFrom<Action>('acquire', 'acquire', 'acquire', 'release', 'release', 'destroy', 'abort', 'tick', 'evict', 'lose'),
  { maxLength: 40, size: 'max' },
);

test('in whatever order hooks end, nobody is lost, and nothing is lent twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), worlds, stories, fc.infiniteStream(fc.nat()), async (scheduler, world, story, picks) => {
      const pick = (below: number): number => picks.next().value % Math.max(1, below);
      const stage = new Stage(world, scheduler, pick);
      for (const action of story) {
        await stage.act(action);
        await stage.endHooks(pick(3));
      }
      await end(stage);
    }),
    { numRuns: RUNS },
  );
}, 300_000);

async function end(stage: Stage): Promise<void> {
  stage.healed = true;
  for (let round = 0; round < 200 && stage.busy; round++) {
    stage.endAllLeases();
    await stage.endHooks(Infinity);
    await stage.act('tick');
  }
  expect(stage.settled).toBe(stage.asked);
  const closing = stage.pool.close();
  for (let round = 0; round < 50 && stage.pool.state !== 'closed'; round++) await stage.endHooks(Infinity);
  expect((await closing).abandoned).toEqual([]);
  expect(stage.liveCount).toBe(0);
  expect(stage.clock.pending).toBe(0);
}
