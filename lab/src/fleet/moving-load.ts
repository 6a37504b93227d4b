// A load that moves: the busiest process has twice as much as the second, three times as much as the third, and so on (Zipf); who is
// busiest changes every few seconds.
import { seededRandom } from 'millpond/testing';
import type { Process } from './processes.ts';

export interface MovingLoad {
  /** Of the whole fleet. */
  readonly perSecond: number;
  readonly busyMs: number;
  readonly seed: string;
}

/** Gives each of the processes its part anew. `turn` 0, 1, 2 ...: how often the load has moved. */
export function move(processes: readonly Process[], { perSecond, busyMs, seed }: MovingLoad, turn: number): void {
  const random = seededRandom(`${seed}/${turn}`);
  const order = processes.map((process) => ({ process, at: random() })).sort((a, b) => a.at - b.at);
  const whole = order.reduce((sum, _, rank) => sum + 1 / (rank + 1), 0);
  for (const [rank, { process }] of order.entries()) process.load({ perSecond: perSecond / (rank + 1) / whole, busyMs });
}
