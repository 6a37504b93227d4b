// A pool as numbers: requests that wait, connections that are opened, used and closed, under a limit that moves. It keeps the rules that a
// pool keeps towards its budget, and nothing else of a pool, so that ten thousand of them can be simulated.

import type { Work } from '../../fleet/need.ts';

export interface SimPoolPorts {
  now(): number;
  limit(): number;
  keeps(): number;
  after(ms: number, action: () => void): void;
  /** How long a connect takes. */
  connectMs(): number;
  /** Whether the server takes one more. */
  accepts(): boolean;
  want(): void;
  freed(): void;
  /** `held` is another one. */
  moved(by: number): void;
}

export interface SimRequest {
  readonly at: number;
  readonly holdMs: number;
}

interface SimLease {
  readonly since: number;
  cut: boolean;
}

const CLOSE_MS = 2;
const RETRY_MS = 100;
const CONNECTS_AT_ONCE = 4;

export interface SimCounts {
  /** Within the time that callers give it. */
  served: number;
  late: number;
  /** Leases that were ended. */
  cut: number;
  connects: number;
  refused: number;
}

export interface SimPoolOptions {
  readonly max: number;
  readonly timeoutMs: number;
  readonly counts: SimCounts;
  /** Default 4. */
  readonly connectsAtOnce?: number;
}

export class SimPool {
  readonly counts: SimCounts;
  readonly #ports: SimPoolPorts;
  readonly #max: number;
  readonly #timeoutMs: number;
  readonly #connectsAtOnce: number;
  #arrived = 0;
  #served = 0;
  #usedMs = 0;
  #opening = 0;
  #idle = 0;
  #closing = 0;
  readonly #busy = new Set<SimLease>();
  #queue: SimRequest[] = [];
  #head = 0;
  /** What was there before is not there any more. */
  #life = 0;
  #retryAt = 0;
  #pumping = false;

  constructor(ports: SimPoolPorts, options: SimPoolOptions) {
    this.#ports = ports;
    this.#max = options.max;
    this.#timeoutMs = options.timeoutMs;
    this.#connectsAtOnce = options.connectsAtOnce ?? CONNECTS_AT_ONCE;
    this.counts = options.counts;
  }

  get held(): number {
    return this.#opening + this.#idle + this.#busy.size + this.#closing;
  }

  get closing(): number {
    return this.#closing;
  }

  get waiting(): number {
    return this.#queue.length - this.#head;
  }

  work(): Work {
    return {
      arrived: this.#arrived, served: this.#served, usedMs: this.#usedMs, borrowed: this.#busy.size, waiting: this.waiting, min: 0,
      max: this.#max,
    };
  }

  ask(request: SimRequest): void {
    this.#arrived++;
    this.#queue.push(request);
    this.pump();
  }

  /** The limit may have moved, or time has passed. */
  pump(): void {
    if (this.#pumping) return;
    const now = this.#ports.now();
    this.#pumping = true;
    const limit = Math.min(this.#max, this.#ports.limit());
    this.#cutDown();
    while (this.#idle > 0 && this.held - this.#closing > limit) {
      this.#idle--;
      this.#close();
    }
    this.#dropLate(now);
    while (this.#idle > 0 && this.waiting > 0) this.#serve(now);
    if (now >= this.#retryAt) {
      while (this.waiting > this.#opening && this.held < limit && this.#opening < this.#connectsAtOnce) this.#open();
    }
    this.#pumping = false;
    if (this.waiting > this.#opening && this.held >= limit && limit < this.#max) this.#ports.want();
  }

  /** All connections are gone, and whoever used one has lost it. */
  lose(): void {
    const { held } = this;
    for (const lease of this.#busy) lease.cut = true;
    this.counts.cut += this.#busy.size;
    this.#life++;
    this.#busy.clear();
    this.#opening = this.#idle = this.#closing = 0;
    this.#ports.moved(-held);
  }

  /** Nobody waits any more. */
  turnAway(): void {
    this.counts.late += this.waiting;
    this.#queue = [];
    this.#head = 0;
  }

  #cutDown(): void {
    const keeps = this.#ports.keeps();
    while (this.#idle > 0 && this.held - this.#closing > keeps) {
      this.#idle--;
      this.#close();
    }
    if (this.held - this.#closing <= keeps) return;
    for (const lease of [...this.#busy].reverse()) {
      if (this.held - this.#closing <= keeps) return;
      lease.cut = true;
      this.#busy.delete(lease);
      this.counts.cut++;
      this.#close();
    }
  }

  #dropLate(now: number): void {
    while (this.waiting > 0 && this.#queue[this.#head]!.at + this.#timeoutMs < now) {
      this.#head++;
      this.counts.late++;
    }
    if (this.#head > 64 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }

  #serve(now: number): void {
    const { holdMs } = this.#queue[this.#head++]!;
    this.#idle--;
    this.#served++;
    this.counts.served++;
    const lease: SimLease = { since: now, cut: false };
    this.#busy.add(lease);
    this.#ports.after(holdMs, () => this.#back(lease));
  }

  #back(lease: SimLease): void {
    if (lease.cut) return;
    this.#busy.delete(lease);
    this.#usedMs += this.#ports.now() - lease.since;
    this.#idle++;
    this.pump();
  }

  #open(): void {
    const life = this.#life;
    this.#opening++;
    this.counts.connects++;
    const accepted = this.#ports.accepts();
    if (accepted) this.#ports.moved(1);
    this.#ports.after(this.#ports.connectMs(), () => this.#opened(life, accepted));
  }

  #opened(life: number, accepted: boolean): void {
    if (life !== this.#life) return;
    this.#opening--;
    if (accepted) {
      this.#idle++;
    } else {
      this.counts.refused++;
      this.#retryAt = this.#ports.now() + RETRY_MS;
      this.#ports.after(RETRY_MS, () => this.pump());
    }
    this.pump();
  }

  #close(): void {
    const life = this.#life;
    this.#closing++;
    this.#ports.after(CLOSE_MS, () => {
      if (life !== this.#life) return;
      this.#closing--;
      this.#ports.moved(-1);
      this.#ports.freed();
      this.pump();
    });
  }
}
