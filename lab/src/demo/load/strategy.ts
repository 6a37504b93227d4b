// A way of coming by a connection. All strategies use the same driver (node-postgres), send the same statement, and serve the same users.
import type { Question } from './workload.ts';

export type StrategyKind = 'each' | 'eachLimited' | 'shared' | 'pool';

export interface Strategy {
  readonly name: string;
  readonly kind: StrategyKind;
  /** The most connections that it holds at once, if it knows a limit. */
  readonly connections: number | undefined;
  open(): Promise<void>;
  /** One answer, or an error. */
  request(question: Question): Promise<unknown>;
  /** Ends at once what still waits, then closes what is open. */
  close(): Promise<void>;
  /** Where requests spent their time, if the strategy can tell: sums since it was opened. */
  times?(): { readonly served: number; readonly waitMs: number; readonly useMs: number };
}

export interface Server {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}
