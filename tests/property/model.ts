// The model: what a pool is when nothing takes time. A factory that answers at once, no validation, no ageing; then who is served, with
// what and when follows from a page of code. It shares nothing with the engine, so the two can only agree by both being right.

export type Outcome =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'served'; readonly id: number }
  | { readonly kind: 'timedOut' | 'aborted' | 'closed' | 'queueFull' | 'paused' };

interface Waiting {
  readonly ask: number;
  readonly deadline: number;
}

/** A lease that is out: what it holds, and whether that may come back. */
interface Held {
  readonly id: number;
  doomed: boolean;
}

export class Model {
  now = 0;
  max: number;
  readonly maxWaiting: number;
  readonly fifo: boolean;
  paused: false | 'hold' | 'reject' = false;
  closed = false;
  created = 0;
  detached = 0;
  /** Ids, the least recently returned first. */
  idle: number[] = [];
  readonly held = new Map<number, Held>();
  readonly outcomes: Outcome[] = [];
  private queue: Waiting[] = [];

  constructor(max: number, maxWaiting: number, fifo: boolean) {
    this.max = max;
    this.maxWaiting = maxWaiting;
    this.fifo = fifo;
  }

  get waiting(): number {
    return this.queue.length;
  }

  get size(): number {
    return this.idle.length + this.held.size;
  }

  acquire(timeoutMs: number): void {
    const ask = this.outcomes.length;
    this.outcomes.push({ kind: 'waiting' });
    if (this.closed) {
      this.outcomes[ask] = { kind: 'closed' };
      return;
    }
    if (this.paused === 'reject') {
      this.outcomes[ask] = { kind: 'paused' };
      return;
    }
    this.queue.push({ ask, deadline: this.now + timeoutMs });
    this.dispatch();
    if (this.queue.length <= this.maxWaiting || this.queue.at(-1)!.ask !== ask) return;
    this.queue.pop();
    this.outcomes[ask] = { kind: 'queueFull' };
  }

  /** The id, or undefined. */
  tryAcquire(): number | undefined {
    if (this.closed || this.paused !== false || this.queue.length > 0 || this.idle.length === 0) return undefined;
    const ask = this.outcomes.length;
    this.outcomes.push({ kind: 'waiting' });
    this.serve(ask);
    return this.held.get(ask)!.id;
  }

  end(ask: number, how: 'release' | 'destroy' | 'detach'): void {
    const held = this.held.get(ask);
    if (held === undefined) return;
    this.held.delete(ask);
    if (how === 'detach') this.detached++;
    else if (how === 'release' && !this.closed && !held.doomed && this.size < this.max) this.idle.push(held.id);
    this.dispatch();
  }

  abort(ask: number): void {
    if (this.outcomes[ask]?.kind !== 'waiting') return;
    this.queue = this.queue.filter((waiter) => waiter.ask !== ask);
    this.outcomes[ask] = { kind: 'aborted' };
  }

  advance(ms: number): void {
    this.now += ms;
    this.dispatch();
  }

  resize(max: number): void {
    this.max = max;
    while (this.idle.length > 0 && this.size > max) this.idle.shift();
    this.dispatch();
  }

  pause(reject: boolean): void {
    if (this.closed) return;
    this.paused = reject ? 'reject' : 'hold';
    if (reject) this.refuseAll('paused');
  }

  resume(): void {
    this.paused = false;
    this.dispatch();
  }

  evict(chosen?: (id: number) => boolean): void {
    this.idle = this.idle.filter((id) => chosen !== undefined && !chosen(id));
    for (const held of this.held.values()) if (chosen === undefined || chosen(held.id)) held.doomed = true;
    this.dispatch();
  }

  close(): void {
    this.closed = true;
    this.paused = false;
    this.idle = [];
    this.refuseAll('closed');
  }

  private refuseAll(kind: 'closed' | 'paused'): void {
    for (const { ask } of this.queue) this.outcomes[ask] = { kind };
    this.queue = [];
  }

  private dispatch(): void {
    for (const { ask, deadline } of this.queue) if (deadline <= this.now) this.outcomes[ask] = { kind: 'timedOut' };
    this.queue = this.queue.filter(({ deadline }) => deadline > this.now);
    if (this.closed || this.paused !== false) return;
    while (this.queue.length > 0 && (this.idle.length > 0 || this.size < this.max)) this.serve(this.queue.shift()!.ask);
  }

  private serve(ask: number): void {
    const id = (this.fifo ? this.idle.shift() : this.idle.pop()) ?? ++this.created;
    this.held.set(ask, { id, doomed: false });
    this.outcomes[ask] = { kind: 'served', id };
  }
}
