// What a case has to play with: keys of its own, members that are numbers, and a time that it can pass.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Coordinator, CoordinatorClock, FleetTerms, Grant, Heartbeat, Reply } from '../../fleet/index.ts';

export interface CoordinatorContractSetup {
  readonly name: string;
  /**
   * A coordinator of its own for this key, as another process would make it. With {@link timed} it is given a clock and must take time and
   * identity from there.
   */
  readonly coordinator: (key: string, clock?: CoordinatorClock) => Coordinator | Promise<Coordinator>;
  /** Whether it can be told the time. Without, cases wait in earnest and there are no histories. */
  readonly timed?: boolean;
  /** Makes the engine lose all that is remembered. */
  readonly forget?: () => unknown;
  /** Makes another one of the engine, such as a replica that is promoted or a restart: what is remembered may or may not be there. */
  readonly renew?: () => unknown;
  /** Makes the engine unreachable until {@link mend} is called. */
  readonly cut?: () => unknown;
  readonly mend?: () => unknown;
  /** How many random histories of 400 heartbeats each. Default 8. */
  readonly histories?: number;
  /** How long something may take in earnest. Default 10 000. */
  readonly patienceMs?: number;
}

export interface CoordinatorCase {
  readonly name: string;
  readonly needs?: readonly (keyof CoordinatorContractSetup)[];
  run(stage: CoordinatorStage): Promise<void>;
}

/** Short enough to wait for. */
export const TERMS: FleetTerms = { limit: 22, guard: 2, floor: 0, members: 100, lend: false, leaseMs: 250, graceMs: 100, deadManMs: 50 };
export const TAIL_MS = 400;

export class CoordinatorStage {
  readonly setup: CoordinatorContractSetup;
  /** One of them for each process. */
  readonly key: string = `contract-${randomUUID()}`;
  readonly #seqs = new Map<string, number>();
  /** When each said what it was last answered, and what had passed by then. */
  readonly #heard = new Map<string, { readonly sentAt: number; readonly passed: number; readonly tailMs: number }>();
  #passed = 0;
  #now = 1_700_000_000_000;
  identity = 'first';
  #lapsed = false;

  constructor(setup: CoordinatorContractSetup) {
    this.setup = setup;
  }

  get clock(): CoordinatorClock | undefined {
    return this.setup.timed === true ? { now: () => this.#now, identity: () => this.identity } : undefined;
  }

  get now(): number {
    return this.#now;
  }

  async open(key: string = this.key): Promise<Coordinator> {
    return this.setup.coordinator(key, this.clock);
  }

  /** Time passes; in earnest where the engine cannot be told. */
  async pass(ms: number): Promise<void> {
    this.#now += ms;
    this.#passed += ms;
    if (this.setup.timed !== true) await new Promise((resolve) => setTimeout(resolve, ms));
  }

  says(member: string, words: Partial<Heartbeat> = {}): Heartbeat {
    const seq = words.seq ?? (this.#seqs.get(member) ?? 0) + 1;
    this.#seqs.set(member, Math.max(seq, this.#seqs.get(member) ?? 0));
    const held = words.held ?? 0;
    const terms = words.terms ?? TERMS;
    const base = words.base ?? 0;
    return {
      member, name: member, seq, terms, held, has: Math.max(held, terms.floor), base, demand: base, weight: 1, leaving: false, lends: 0,
      lendsUntil: 0, identity: '', shortMs: 0, ...words,
    };
  }

  async say(coordinator: Coordinator, member: string, words: Partial<Heartbeat> = {}): Promise<Reply> {
    const request = this.says(member, words);
    const { leaseMs, graceMs, deadManMs } = request.terms;
    const sentAt = performance.now();
    const reply = await this.within(`the heartbeat of ${member}`, coordinator.heartbeat(request));
    this.#heard.set(member, { sentAt, passed: this.#passed, tailMs: leaseMs + graceMs + deadManMs });
    this.hasLapsed();
    return reply;
  }

  /** Something happens to the engine. What it knew until then nothing relies on. */
  async befall(trouble: 'forget' | 'renew' | 'cut'): Promise<void> {
    await this.setup[trouble]!();
    this.#heard.clear();
  }

  /** In earnest: may somebody have been forgotten meanwhile who by what the case lets pass was not? */
  hasLapsed(): boolean {
    if (this.setup.timed === true) return false;
    const now = performance.now();
    for (const { sentAt, passed, tailMs } of this.#heard.values()) {
      this.#lapsed ||= this.#passed - passed < tailMs && now - sentAt >= tailMs;
    }
    return this.#lapsed;
  }

  async grant(coordinator: Coordinator, member: string, words: Partial<Heartbeat> = {}): Promise<Grant> {
    const reply = await this.say(coordinator, member, words);
    if (reply.kind !== 'granted') assert.fail(`${member} was not granted anything: ${JSON.stringify(reply)}`);
    return reply;
  }

  /** A coordinator of a fleet that has learnt, with nobody in it. */
  async learnt(terms: FleetTerms = TERMS): Promise<Coordinator> {
    const coordinator = await this.open();
    await this.grant(coordinator, 'nobody', { terms, leaving: true });
    await this.pass(terms.leaseMs + terms.graceMs + terms.deadManMs + (this.setup.timed === true ? 0 : 20));
    return coordinator;
  }

  async within<R>(what: string, promise: Promise<R>): Promise<R> {
    const patienceMs = this.setup.patienceMs ?? 10_000;
    let timer: NodeJS.Timeout | undefined = undefined;
    try {
      return await Promise.race([promise, new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new assert.AssertionError({ message: `${what} took more than ${patienceMs} ms` })), patienceMs);
      })]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Tries until it works: an engine that is back may take a moment, and clients take one to find out. */
  async eventually<R>(what: string, attempt: () => Promise<R>): Promise<R> {
    const end = performance.now() + (this.setup.patienceMs ?? 10_000);
    for (;;) {
      try {
        return await this.within(what, attempt());
      } catch (error) {
        if (performance.now() > end) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }
}
