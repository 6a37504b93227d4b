// What a client may take its time for, and how long. At most one of these runs at a time for a client, so one timer is enough; it is only
// set where the configuration has a limit.

/** Of one user; changed in place when the configuration is. */
export interface Limits {
  /** Silence outside of a transaction. All in milliseconds; 0: no limit. */
  clientIdleMs: number;
  /** Silence inside of one. */
  idleTransactionMs: number;
  /** A transaction from its beginning. */
  transactionMs: number;
  /** A statement. */
  queryMs: number;
  /** Waiting for a server connection before the client is told. */
  waitNotifyMs: number;
}

/** What the client is doing. */
export type Doing = 'idle' | 'idleInTransaction' | 'running' | 'waiting';

export type Overdue =
  | 'client_idle_timeout' | 'idle transaction timeout' | 'transaction timeout' | 'query timeout' | 'query_timeout' | 'wait';

export class Deadlines {
  readonly #limits: Limits;
  readonly #overdue: (what: Overdue) => void;
  #doing: Doing | undefined = undefined;
  /** When the transaction has to be over. */
  #transactionEndsAt = Infinity;
  #dueAt = Infinity;
  #what: Overdue = 'wait';
  /**
   * What a client does changes thousands of times a second, and hardly anything is ever overdue: so the timer is not set anew each
   * time, but looks when it goes off whether there is something by then.
   */
  #timer: NodeJS.Timeout | undefined = undefined;
  #goesOffAt = Infinity;

  constructor(limits: Limits, overdue: (what: Overdue) => void) {
    this.#limits = limits;
    this.#overdue = overdue;
  }

  /** The client does this from now on. Again the same: nothing changes, but that silence begins anew. */
  now(doing: Doing): void {
    const { clientIdleMs, idleTransactionMs, queryMs, waitNotifyMs, transactionMs } = this.#limits;
    if (doing === this.#doing && doing === 'running') return;
    this.#doing = doing;
    if (doing === 'idle' || doing === 'waiting') this.#transactionEndsAt = Infinity;
    else if (transactionMs > 0 && this.#transactionEndsAt === Infinity) this.#transactionEndsAt = performance.now() + transactionMs;
    switch (doing) {
      case 'idle': this.#set(clientIdleMs, 'client_idle_timeout'); break;
      case 'idleInTransaction': this.#set(idleTransactionMs, 'idle transaction timeout'); break;
      case 'running': this.#set(queryMs, 'query timeout'); break;
      case 'waiting':
        if (waitNotifyMs > 0 && (queryMs === 0 || waitNotifyMs < queryMs)) this.#set(waitNotifyMs, 'wait');
        else this.#set(queryMs, 'query_timeout');
    }
  }

  /** It has been told that it waits, and goes on waiting. */
  told(): void {
    const { queryMs, waitNotifyMs } = this.#limits;
    this.#set(queryMs === 0 ? 0 : Math.max(1, queryMs - waitNotifyMs), 'query_timeout');
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #set(ms: number, what: Overdue): void {
    if (ms <= 0 && this.#transactionEndsAt === Infinity) {
      this.#dueAt = Infinity;
      return;
    }
    const own = ms > 0 ? performance.now() + ms : Infinity;
    this.#dueAt = Math.min(own, this.#transactionEndsAt);
    this.#what = this.#transactionEndsAt < own ? 'transaction timeout' : what;
    if (this.#dueAt < this.#goesOffAt) this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#goesOffAt = this.#dueAt;
    this.#timer = setTimeout(() => this.#look(), Math.max(0, this.#dueAt - performance.now()));
  }

  #look(): void {
    this.#timer = undefined;
    this.#goesOffAt = Infinity;
    if (this.#dueAt === Infinity) return;
    if (performance.now() < this.#dueAt) {
      this.#arm();
      return;
    }
    this.#dueAt = Infinity;
    this.#overdue(this.#what);
  }
}
