// How the connections of a fleet move: a row for each process, time runs to the right, the height of a bar is how many it holds.
import { spark } from '../../drawing/terminal/spark.ts';
import { padEnd, padStart, paint, type Style } from '../../drawing/terminal/style.ts';
import type { ProcessFleet } from '../../fleet/processes.ts';
import { marks } from '../outage/view.ts';

const LABEL = 14;
const FIGURE = 9;
const WIDEST = 100;
/** In this order; each process keeps its own. */
const COLORS = ['cyan', 'green', 'yellow', 'magenta'] as const;

export class Picture {
  /** Of the first look. */
  #beginMs: number | undefined;
  readonly #held = new Map<string, number[]>();
  readonly #sockets: number[] = [];
  readonly #moments: [atMs: number, words: string][] = [];

  look({ all }: ProcessFleet, sockets: number): void {
    this.#beginMs ??= performance.now();
    for (const { name, held } of all) {
      const row = this.#held.get(name) ?? Array.from(this.#sockets, () => 0);
      row.push(held);
      this.#held.set(name, row);
    }
    this.#sockets.push(sockets);
  }

  note(words: string): void {
    this.#moments.push([this.#nowMs, words]);
  }

  /** `limit`: of the database. */
  lines(limit: number, columns: number, style: Style): string[] {
    const width = Math.max(10, Math.min(WIDEST, columns - LABEL - FIGURE - 2, this.#sockets.length));
    const lengthMs = Math.max(1, this.#nowMs);
    const top = Math.max(1, ...[...this.#held.values()].flat());
    const row = (label: string, figures: readonly number[], color: (typeof COLORS)[number] | 'bold', most: number): string => (
      `${padEnd(label, LABEL)}${paint(style, padEnd(spark(figures, { width, top: most }, style), width), color)}` +
      `  ${padStart(`max ${Math.max(0, ...figures)}`, FIGURE - 2)}`);
    const columnOf = (atMs: number): number => Math.min(width - 1, Math.floor((atMs / lengthMs) * width));
    return [
      ...[...this.#held].map(([name, held], index) => row(name, held, COLORS[index % COLORS.length]!, top)),
      row('the database', this.#sockets, 'bold', limit),
      ...marks(this.#moments, columnOf, style).map((line) => ' '.repeat(LABEL) + line),
    ];
  }

  get #nowMs(): number {
    return this.#beginMs === undefined ? 0 : performance.now() - this.#beginMs;
  }
}
