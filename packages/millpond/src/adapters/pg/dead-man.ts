// Tells the server, at the start of a session, to end it by itself when it has been silent for long. The options of the startup packet say
// so, at the price of no round trip, and they survive DISCARD ALL, which a SET would not. A SET would besides stay behind a pooler on a
// server session that others use next.
//
// Not everybody takes them. PostgreSQL before 14 does not know `idle_session_timeout`; PgBouncer refuses settings that it cannot keep track
// of unless it is told to ignore them (`ignore_startup_parameters`), RDS Proxy refuses options altogether. All of them refuse before the
// session begins, so one that is refused begins once more with less, and what was taken is remembered. What is lost behind a pooler is
// little: there the clients of frozen processes cost a socket, and the pooler has a timeout for them.

import type { ServerError } from './driver.ts';

/** Invalid or unsupported parameter, unknown one, and one that may not be set. */
const REFUSALS = new Set(['08P01', '0A000', '22023', '42501', '42704']);
const SESSION = 'idle_session_timeout';
const TRANSACTION = 'idle_in_transaction_session_timeout';

export interface DeadManTimeouts {
  readonly sessionIdleTimeoutMs?: number;
  readonly transactionIdleTimeoutMs?: number;
}

export class DeadMan {
  /** Command-line options of a session; empty: none. */
  private options: string;
  private readonly transactionOnly: string;
  private readonly wanted: boolean;
  private readonly poolName: () => string;

  /** `given`: what somebody asked for by name, who is to be told when it cannot be had. */
  constructor({ sessionIdleTimeoutMs = 0, transactionIdleTimeoutMs = 0 }: DeadManTimeouts, given: DeadManTimeouts, poolName: () => string) {
    this.transactionOnly = setting(TRANSACTION, transactionIdleTimeoutMs);
    this.options = [setting(SESSION, sessionIdleTimeoutMs), this.transactionOnly].filter(Boolean).join(' ');
    this.wanted = (given.sessionIdleTimeoutMs ?? 0) > 0 || (given.transactionIdleTimeoutMs ?? 0) > 0;
    this.poolName = poolName;
  }

  /** Begins a session by `begin`, which gets the options for it. */
  async start<R>(begin: (options: string) => Promise<R>, signal: AbortSignal): Promise<R> {
    for (let options = this.options; ;) {
      try {
        const started = await begin(options);
        this.took(options);
        return started;
      } catch (error) {
        if (options === '' || signal.aborted || !isRefusal(error)) throw error;
        options = isUnknown(error, SESSION) && options !== this.transactionOnly ? this.transactionOnly : '';
      }
    }
  }

  /** With these a session has begun. Only now it is known that they were what was refused. */
  private took(options: string): void {
    if (options.length >= this.options.length) return;
    this.options = options;
    if (!this.wanted) return;
    const missing = options === '' ? `${SESSION} and ${TRANSACTION}` : SESSION;
    process.emitWarning(
      `Pool "${this.poolName()}": the server, or a pooler before it, does not let a session begin with ${missing}. It will not take back `
        + 'the connections of a process that is frozen.',
      { code: 'MILLPOND_PG_NO_DEAD_MAN' },
    );
  }
}

function setting(name: string, ms: number): string {
  return ms > 0 ? `-c ${name}=${ms}` : '';
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && REFUSALS.has((error as ServerError).code ?? '');
}

function isUnknown(error: unknown, name: string): boolean {
  const { code, message } = error as ServerError;
  return code === '42704' && message.includes(name);
}
