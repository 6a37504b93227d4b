// Tells the server, at the start of a session, to end it by itself when it has been silent for long. Its clocks count whole seconds.
//
// MySQL has one such clock, `wait_timeout`, which does not ask whether a transaction is open; MariaDB has another for that,
// `idle_transaction_timeout`. A server or pooler that refuses to be told gets a session without: it is no reason not to connect.

import { isServerError } from './driver.ts';

export interface DeadManTimeouts {
  readonly sessionIdleTimeoutMs?: number;
  readonly transactionIdleTimeoutMs?: number;
}

const SINCE = { major: 10, minor: 3 };

export class DeadMan {
  private readonly session: number;
  private readonly transaction: number;
  /** Whether somebody asked for it by name, who is to be told when it cannot be had. */
  private readonly wanted: boolean;
  private readonly poolName: () => string;
  private refused = false;

  /** `given`: what somebody asked for by name. */
  constructor({ sessionIdleTimeoutMs = 0, transactionIdleTimeoutMs = 0 }: DeadManTimeouts, given: DeadManTimeouts, poolName: () => string) {
    this.session = secondsOf(sessionIdleTimeoutMs);
    this.transaction = secondsOf(transactionIdleTimeoutMs);
    this.wanted = (given.sessionIdleTimeoutMs ?? 0) > 0 || (given.transactionIdleTimeoutMs ?? 0) > 0;
    this.poolName = poolName;
  }

  /** The statement for a new session; undefined: nothing to say. `version` as the server reports it. */
  statement(version: string): string | undefined {
    if (this.refused) return undefined;
    const all = [];
    if (this.session > 0) all.push(`SESSION wait_timeout = ${this.session}`);
    if (this.transaction > 0 && knowsTransactions(version)) all.push(`SESSION idle_transaction_timeout = ${this.transaction}`);
    return all.length === 0 ? undefined : `SET ${all.join(', ')}`;
  }

  /** What came of it. Throws what is no refusal. */
  failed(error: unknown): void {
    if (!isServerError(error)) throw error;
    if (!this.refused && this.wanted) {
      process.emitWarning(
        `Pool "${this.poolName()}": the server, or a pooler before it, does not take wait_timeout or idle_transaction_timeout `
          + `(${error.message}). It will not take back the connections of a process that is frozen.`,
        { code: 'MILLPOND_MYSQL_NO_DEAD_MAN' },
      );
    }
    this.refused = true;
  }
}

function secondsOf(ms: number): number {
  return ms > 0 && Number.isFinite(ms) ? Math.ceil(ms / 1_000) : 0;
}

/** MariaDB from 10.3 on; behind `5.5.5-`, which older ones say first for the sake of older clients. */
function knowsTransactions(version: string): boolean {
  const [, major = 0, minor = 0] = (/(\d+)\.(\d+)\.\d+-mariadb/i.exec(version) ?? []).map(Number);
  return major > SINCE.major || (major === SINCE.major && minor >= SINCE.minor);
}
