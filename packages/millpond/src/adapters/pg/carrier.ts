// A connection that carries statements of many callers at once: one lease of the pool of connections, held while there is something to
// carry and for a moment longer. To the pool of places (pipeline.ts) it is a resource that is shared.

import type { Lease } from '../../index.ts';
import { requestCancel } from './cancel.ts';
import type { Flight } from './flight.ts';
import type { Pipe } from './pipe.ts';
import { judged } from './query.ts';
import type { Session } from './session.ts';
import type { PgClient } from './types.ts';

/** A cancel of one statement. */
interface Strike {
  readonly flight: Flight;
  /** By then the server has to have answered. */
  readonly untilMs: number;
  /** Resolves when the request is known to have been taken, or not. */
  readonly sent: Promise<void>;
  over: boolean;
}

export class Carrier {
  readonly session: Session;
  readonly pipe: Pipe;
  /** Takes no new statements, for good: somebody waits for the connection, or it is stuck. */
  leaving = false;
  /** Out of the pool of places: it goes back by itself, when it is empty. */
  detached = false;
  /** The head at the last look, and for how many looks it has been that. */
  seen: Flight | undefined = undefined;
  looks = 0;
  private answersSeen = 0;
  private seenAt: number = performance.now();
  private detachedAt = 0;
  /** The one that is being cancelled, and until when it has to be over. */
  private struck: Strike | undefined = undefined;
  /** Why the connection must not be used again. */
  private doomed: unknown = undefined;
  private readonly lease: Lease<PgClient>;
  private readonly cancelTimeoutMs: number;
  /** To be told when it is known whether the server has become read-only. */
  private readonly unjudged: (() => void)[] = [];
  private readonly onGone: (carrier: Carrier) => void;
  private gone: Promise<void> | boolean = false;
  private ended = false;

  constructor(lease: Lease<PgClient>, session: Session, pipe: Pipe, cancelTimeoutMs: number, onGone: (carrier: Carrier) => void) {
    this.lease = lease;
    this.session = session;
    this.pipe = pipe;
    this.cancelTimeoutMs = cancelTimeoutMs;
    this.onGone = onGone;
  }

  /** Can it take a statement? */
  get usable(): boolean {
    return !this.leaving && this.session.usable;
  }

  /** The pool of connections took its connection back by itself. */
  get taken(): boolean {
    return this.lease.ended && !this.ended;
  }

  /** For how long it has been out of the pool of places. */
  get stuckMs(): number {
    return performance.now() - this.detachedAt;
  }

  /** How long the last one in flight will wait for those before it, at the pace since the last call. */
  waitMs(now: number): number {
    const { answers, size } = this.pipe;
    const done = answers - this.answersSeen;
    const elapsedMs = now - this.seenAt;
    this.answersSeen = answers;
    this.seenAt = now;
    return size < 2 ? 0 : ((size - 1) * elapsedMs) / done;
  }

  /** From here on it sees to itself. */
  detach(): void {
    this.detached = true;
    this.detachedAt = performance.now();
    this.leaving = true;
    this.pipe.onEmpty = () => void this.giveBack();
    if (this.pipe.size === 0) void this.giveBack();
  }

  /**
   * Tells it when it is known whether the server has become read-only; until then the caller would only meet the next connection to it. To
   * be called before the statement gives up its place, which may be what sends the carrier home.
   */
  afterJudgement(tell: () => void): void {
    this.leaving = true;
    if (this.ended) tell();
    else this.unjudged.push(tell);
  }

  /**
   * Ends the statement at the head at the server. The cancel may come late and hit the one behind it: that one has no effect then, and is
   * run again elsewhere (`Flight.struck`). Only a carrier that takes nothing new is treated so.
   */
  cancelHead(nowMs: number): void {
    const flight = this.pipe.head;
    const { struck } = this;
    if (struck?.flight === flight && struck !== undefined) {
      if (nowMs >= struck.untilMs) this.abandon(new Error('the server did not confirm a cancel in time'));
      return;
    }
    if (flight === undefined || struck?.over === false) return;
    this.pipe.cancelSent = true;
    const sent = requestCancel(this.session, this.cancelTimeoutMs, { isOver: () => this.pipe.head !== flight }).then((outcome) => {
      if (outcome === 'unknown') this.doomed ??= new Error('a cancel request may still be on its way to it');
      strike.over = true;
    });
    const strike: Strike = { flight, untilMs: nowMs + this.cancelTimeoutMs, sent, over: false };
    this.struck = strike;
  }

  /**
   * Gives the connection back to its pool; when something is in flight or in doubt, it is closed. At once, unless something has to be found
   * out.
   */
  giveBack(): void | Promise<void> {
    if (this.gone !== false) return this.gone === true ? undefined : this.gone;
    this.gone = true;
    this.pipe.onEmpty = undefined;
    const { session } = this;
    if (this.struck?.over !== false && this.unjudged.length === 0) {
      this.end();
      return undefined;
    }
    this.gone = (async () => {
      await this.struck?.sent;
      if (session.readOnlySeen && session.usable && this.pipe.size === 0) await judged(session);
      this.end();
      for (const tell of this.unjudged) tell();
    })();
    return this.gone;
  }

  private end(): void {
    this.ended = true;
    this.pipe.cancelSent = false;
    this.onGone(this);
    if (this.lease.ended) return; // the pool has closed, and taken it
    if (this.doomed === undefined && this.session.usable && this.pipe.size === 0) this.lease.release();
    else this.lease.destroy(this.doomed ?? this.session.cause);
  }

  /** It does not answer. Whatever is in flight on it is lost. */
  private abandon(reason: Error): void {
    this.doomed ??= reason;
    this.session.silent = true;
    this.session.lose(reason);
  }
}
