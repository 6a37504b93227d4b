// The scenarios by name, as a worker finds them. Each is a few steps that the parent asks for.
import { aborts } from './scenarios/aborts.ts';
import { contended } from './scenarios/contended.ts';
import { drain } from './scenarios/drain.ts';
import { heap } from './scenarios/heap.ts';
import { sharing } from './scenarios/sharing.ts';
import { timeouts } from './scenarios/timeouts.ts';
import { uncontended, validation } from './scenarios/uncontended.ts';
import type { Open } from './subject.ts';

export interface Bench {
  readonly open: Open;
  readonly quick: boolean;
}

export type Steps = Readonly<Record<string, (given: never) => unknown>>;

export type Scenario = (bench: Bench) => Promise<Steps> | Steps;

export const SCENARIOS: Readonly<Record<string, Scenario | undefined>> = {
  uncontended, validation, contended, drain, timeouts, aborts, heap, sharing,
};
