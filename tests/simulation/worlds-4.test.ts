import { test, vi } from 'vitest';
import { SEEDS, seedsOf, survive } from './worlds.ts';

test('a pool keeps its contract in every world (part 4 of 4 of ' + SEEDS + ')', async () => {
  // Listeners that throw are reported as warnings of the process, and some worlds have many.
  vi.spyOn(process, 'emitWarning').mockReturnValue();
  await survive(seedsOf(4, 4));
}, 3_600_000);
