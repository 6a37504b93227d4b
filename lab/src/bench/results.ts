// The result of a run, as it is written to bench.json: where it comes from, and what the chapters found.
import type { ChapterResult } from './chapter.ts';
import type { Origin } from './machine.ts';

export interface BenchResult {
  readonly origin: Origin;
  readonly quick: boolean;
  readonly chapters: readonly ChapterResult[];
}

/** Everything that went wrong, each with the chapter it belongs to. */
export function failuresOf(result: BenchResult): string[] {
  return result.chapters.flatMap((chapter) => chapter.failures.map((reason) => `${chapter.name}: ${reason}`));
}
