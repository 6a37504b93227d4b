// A statement that did not reach the server may go to another connection: how often, and within which deadline.

import type { AcquireOptions } from '../../index.ts';
import { ConnectionLostError } from './errors.ts';

/** What the options of a statement say about acquiring its connection. `timeoutMs` spans the wait and the statement. */
type StatementOptions = Pick<AcquireOptions, 'signal' | 'timeoutMs' | 'lane' | 'label'>;

/** Connections that may turn out dead before one is made afresh, as Go's database/sql has it. */
const POOLED_ATTEMPTS = 2;

interface PoolOfConnections {
  readonly name: string;
  evict(): number;
}

/** Says that the statement did not reach the server, so that it may be run on another connection. Never seen by callers. */
export class NotSent extends Error {
  /** The connection was dead; not merely its cleaning failed. */
  readonly dead: boolean;

  constructor(cause: unknown, dead: boolean) {
    super('not sent', { cause });
    this.dead = dead;
  }
}

/** Counts the connections that turned out dead before anything was sent: two that the pool has, then one that is made for it. */
export class Attempts {
  private readonly pool: PoolOfConnections;
  private failed = 0;
  private dead = 0;

  constructor(pool: PoolOfConnections) {
    this.pool = pool;
  }

  mayGoOn(error: NotSent): boolean {
    this.failed++;
    if (this.failed > POOLED_ATTEMPTS) return false;
    // Two in a row, and nobody had noticed: whatever befell them has befallen the others. What comes next is new.
    if (error.dead && ++this.dead === POOLED_ATTEMPTS) this.pool.evict();
    return true;
  }

  lastWord(error: NotSent): unknown {
    return error.dead ? new ConnectionLostError(this.pool.name, false, error.cause) : error.cause;
  }
}

export function deadlineOf(options: StatementOptions | undefined): number | undefined {
  return options?.timeoutMs === undefined ? undefined : performance.now() + options.timeoutMs;
}

export function acquireOptions({ signal, lane, label }: StatementOptions, deadline: number | undefined): AcquireOptions {
  return {
    ...(signal === undefined ? {} : { signal }),
    ...(lane === undefined ? {} : { lane }),
    ...(label === undefined ? {} : { label }),
    ...(deadline === undefined ? {} : { timeoutMs: Math.max(0, deadline - performance.now()) }),
  };
}
