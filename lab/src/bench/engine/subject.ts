// What all pools look like to the scenarios. Three kinds: what lends (acquire, release), what lends only for the length of a call, and what
// lends at once or not at all. Each contender has a process of its own, so these calls have one target there and cost nothing that could
// be measured.

/** The resource: it does nothing, so that what is measured is the pool. */
export class Thing {
  readonly id: number;
  lent = false;

  constructor(id: number) {
    this.id = id;
  }
}

/** Makes the resources and keeps count of them. */
export class Source {
  live = 0;
  most = 0;
  #made = 0;

  make(): Thing {
    this.live += 1;
    this.most = Math.max(this.most, this.live);
    return new Thing(++this.#made);
  }

  unmake(): void {
    this.live -= 1;
  }
}

export interface Setup {
  readonly max: number;
  readonly acquireTimeoutMs: number;
  /** Ask the resource whether it is alive, before each loan. */
  readonly validate: boolean;
  /** Loans that one resource carries at once. */
  readonly sharing: number;
}

export const USUAL: Setup = { max: 10, acquireTimeoutMs: 30_000, validate: false, sharing: 1 };

/** A pool that lends: `H` is what acquire hands out and release takes. */
export interface Lender<H = unknown> {
  readonly kind: 'lends';
  acquire(): Promise<H>;
  release(held: H): void;
  thingOf(held: H): Thing;
  acquireWith?(signal: AbortSignal): Promise<H>;
  close(): Promise<void>;
}

/** A pool that lends for the length of `work`. */
export interface Runner {
  readonly kind: 'runs';
  use(work: (thing: Thing) => void | Promise<void>): Promise<unknown>;
  useWith?(signal: AbortSignal, work: (thing: Thing) => void | Promise<void>): Promise<unknown>;
  close(): Promise<void>;
}

/** A way to borrow that never waits, and so never makes a promise. */
export interface Trier<H = unknown> {
  readonly kind: 'tries';
  tryAcquire(): H | undefined;
  release(held: H): void;
  close(): Promise<void>;
}

export type Subject = Lender | Runner | Trier;

/** A lender of a certain kind of loan, as a subject. */
export function lender<H>(parts: Omit<Lender<H>, 'kind'>): Subject {
  const subject: Lender<H> = { kind: 'lends', ...parts };
  return subject;
}

export type Open = (setup: Setup, source: Source) => Promise<Subject> | Subject;

/** One microtask: the work that is done with a resource. */
export const hop: Promise<void> = Promise.resolve();
