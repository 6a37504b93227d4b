// A fleet of real processes on one database: started, put under load, killed, frozen and woken, and what became of their requests.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Database, Load, Order, Report, Said, Share } from './order.ts';

/** Tests run from source, where a process of its own needs the compiled program. */
const COMPILED = import.meta.url.endsWith('.ts') ? '../../dist/fleet/member.js' : './member.js';
const PROGRAM = fileURLToPath(new URL(COMPILED, import.meta.url));

export interface MemberOrder {
  readonly name: string;
  readonly database: Database;
  readonly share: Share;
  /** How long a request waits for a connection. */
  readonly deadlineMs: number;
}

export interface Tally {
  served: number;
  refused: number;
  late: number;
  lost: string[];
  tookMs: number[];
}

const newTally = (): Tally => ({ served: 0, refused: 0, late: 0, lost: [], tookMs: [] });

/** One process of a fleet. */
export class Process {
  readonly name: string;
  readonly tally: Tally = newTally();
  /** Of its last report. */
  running = 0;
  held = 0;
  may = 0;
  readonly #child: ChildProcess;

  constructor(order: MemberOrder) {
    this.name = order.name;
    this.#child = fork(PROGRAM, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] });
    this.#child.on('message', (said: Said) => {
      if (said.said === 'report') this.#take(said.report);
    });
    this.#child.on('error', () => undefined); // told by its end
    this.#child.once('exit', () => { this.running = this.held = this.may = 0; });
    this.#tell({ do: 'open', ...order });
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves when it is ready to take requests. */
  async opened(): Promise<this> {
    await this.#said('opened');
    return this;
  }

  load(load: Load): void {
    if (this.isAlive) this.#tell({ do: 'load', load });
  }

  /** Gives its connections and permits back and ends, as at a rollout. */
  async leave(): Promise<void> {
    if (!this.isAlive) return;
    const gone = once(this.#child, 'exit');
    this.#tell({ do: 'close' });
    await gone;
  }

  async kill(): Promise<void> {
    if (!this.isAlive) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  wake(): void {
    this.#child.kill('SIGCONT');
  }

  #tell(order: Order): void {
    this.#child.send(order, () => undefined); // one that has died meanwhile hears nothing
  }

  async #said(what: 'opened' | 'closed'): Promise<void> {
    const ended = new AbortController();
    this.#child.once('exit', () => ended.abort(new Error(`${this.name} has ended`)));
    for (;;) {
      const [said] = await once(this.#child, 'message', { signal: ended.signal }) as [Said];
      if (said.said === what) return;
    }
  }

  #take({ served, refused, late, lost, tookMs, running, held, may }: Report): void {
    const { tally } = this;
    tally.served += served;
    tally.refused += refused;
    tally.late += late;
    tally.lost.push(...lost);
    tally.tookMs.push(...tookMs);
    this.running = running;
    this.held = held;
    this.may = may;
  }
}

/** Several processes as one. All that were ever started count. */
export class ProcessFleet implements AsyncDisposable {
  readonly all: Process[] = [];
  readonly order: Omit<MemberOrder, 'name'>;

  constructor(order: Omit<MemberOrder, 'name'>) {
    this.order = order;
  }

  get alive(): Process[] {
    return this.all.filter(({ isAlive }) => isAlive);
  }

  /** Resolves when they are ready. `share`: of these. */
  async start(count: number, share: Share = this.order.share): Promise<Process[]> {
    const first = this.all.length + 1;
    const added = Array.from({ length: count }, (_, i) => new Process({ ...this.order, share, name: `orders-${first + i}` }));
    this.all.push(...added);
    return Promise.all(added.map((each) => each.opened()));
  }

  tally(): Tally {
    const sum = newTally();
    for (const { tally } of this.all) {
      sum.served += tally.served;
      sum.refused += tally.refused;
      sum.late += tally.late;
      sum.lost.push(...tally.lost);
      sum.tookMs.push(...tally.tookMs);
    }
    return sum;
  }

  /** Forgets what has become of requests so far. */
  reset(): void {
    for (const each of this.all) Object.assign(each.tally, newTally());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((each) => each.kill()));
  }
}
