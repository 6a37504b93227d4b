// The simulator: from a seed a whole world, a pool in it, and everything that can happen to a pool happening to it, in an order that never
// changes. After every step the invariants are checked, from outside and from inside; at the end the pool has to become whole, to have lost
// no place, and to leave nothing behind. A failure is a seed: whoever has it has the failure.

import { ACTIONS, type ActionName } from './simulator/action-names.ts';
import { Callers } from './simulator/callers.ts';
import { endWorld } from './simulator/ending.ts';
import { Log } from './simulator/log.ts';
import { actionsOf, Operators } from './simulator/operators.ts';
import { Stage } from './simulator/stage.ts';
import { describeWorld } from './simulator/world.ts';

export interface SimulationOptions {
  /** The same seed is the same run, in every version with the same major number. */
  readonly seed: number | string;
  /** How many steps before the end begins. Default 50. Fewer make the same run, broken off earlier. */
  readonly steps?: number;
  /** Called with every line of the log as it is written. */
  readonly onLine?: (line: string) => void;
}

export interface SimulationResult {
  readonly seed: number | string;
  /** Two runs with the same fingerprint were the same, line by line. */
  readonly fingerprint: string;
  readonly lines: readonly string[];
  /** How often each kind of thing happened. */
  readonly seen: ReadonlyMap<string, number>;
}

/** A pool did what no pool may do. The message has the world, the end of the log and the command that repeats it. */
export class SimulationError extends Error {
  override readonly name = 'SimulationError';
  readonly seed: number | string;
  /** In which step it was noticed; more than the steps: at the end of the world. */
  readonly step: number;
  readonly lines: readonly string[];

  constructor(message: string, init: Pick<SimulationError, 'seed' | 'step' | 'lines'> & { readonly cause: unknown }) {
    super(message, { cause: init.cause });
    this.seed = init.seed;
    this.step = init.step;
    this.lines = init.lines;
  }
}

const DEFAULT_STEPS = 50;
/** A closed pool is soon a dull one. */
const STEPS_AFTER_CLOSE = 8;
const LINES_SHOWN = 40;

/** Lives through the world of a seed. Rejects with a {@link SimulationError} when the pool breaks its contract. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const { seed, steps = DEFAULT_STEPS } = options;
  const log = new Log(options.onLine);
  let stage: Stage | undefined;
  let step = 0;
  try {
    stage = new Stage(seed, log);
    const callers = new Callers(stage);
    const operators = new Operators(stage);
    const actions = actionsOf(callers, operators);
    stage.mischief = () => void actions[pick(stage!, MISCHIEF)]();
    await stage.settle();
    let afterClose = 0;
    for (step = 1; step <= steps && afterClose < STEPS_AFTER_CLOSE; step++) {
      if (operators.closed !== undefined) afterClose++;
      // Several in one turn: between them nothing can come to rest.
      for (let burst = stage.random.chance(0.75) ? 1 : stage.random.int(2, 4); burst > 0; burst--) await actions[pick(stage, DRAWN)]();
      await stage.settle();
      operators.checkAwaited();
    }
    await endWorld(stage, callers, operators);
  } catch (error) {
    throw new SimulationError(report(seed, step, stage, log, error), { seed, step, lines: log.lines, cause: error });
  }
  return { seed, fingerprint: log.fingerprint, lines: log.lines, seen: log.seen };
}

const DRAWN = Object.keys(ACTIONS) as ActionName[];

/** What a listener or a hook may do in the middle of something: everything that takes no time. */
const MISCHIEF: readonly ActionName[] = [
  'acquire', 'tryAcquire', 'use', 'release', 'destroy', 'detach', 'endTwice', 'abort', 'abortAll', 'lose',
  'pause', 'resume', 'evict', 'evictSome', 'ready', 'close',
];

function pick(stage: Stage, from: readonly ActionName[]): ActionName {
  const { random, world } = stage;
  const weightOf = (name: ActionName): number => world.weights[name];
  let dice = random() * from.reduce((sum, name) => sum + weightOf(name), 0);
  for (const name of from) {
    dice -= weightOf(name);
    if (dice < 0) return name;
  }
  return from[0]!;
}

function report(seed: number | string, step: number, stage: Stage | undefined, log: Log, error: unknown): string {
  const what = error instanceof Error ? error.message : String(error);
  const shown = log.lines.slice(-LINES_SHOWN);
  return [
    what,
    `seed ${JSON.stringify(seed)}, step ${step}. To see it again: SEED=${seed} npm run simulate`,
    `world: ${stage === undefined ? 'not made' : describeWorld(stage.world)}`,
    `the last ${shown.length} of ${log.lines.length} lines:`,
    ...shown,
  ].join('\n');
}
