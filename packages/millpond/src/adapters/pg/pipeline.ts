// Statements of many callers over few connections, several in flight on each.
//
// Two pools, one above the other. Below is the pool of connections, which knows nothing of this: each connection that carries statements is
// a lease like any other. Above is a pool of *places*: its resources are those connections (carrier.ts), each shared by as many statements
// as may be in flight on it (`sharing`). So whoever finds no place waits in line there, with its deadline, its signal, its lane and its
// place in the queue, as the rules of a pool have it; nothing of that is written again here. What is here is when a connection becomes a
// carrier and when it stops being one:
//
// - A statement goes to the connection with the least in flight. While some are shared and there may be more, one more is taken.
// - While all of them have more in flight than they can do in a moment, because statements take long, there may be more of them, up to
//   `max`.
// - One whose head has run for longer than `pipelineStallMs` takes no more, and another takes its place: what is slow holds up at most what
//   was sent behind it before that was known.
// - When somebody waits for a connection of his own (acquire, transaction), one carrier lands: it takes no more, empties and goes back.
// - Each goes back after a second at the latest, so that age, evictions and whatever else waits for a release have their turn.

import { AcquireTimeoutError, CreateError, Pool, type AcquireOptions, type CloseOptions, type CloseResult, type Lease, type PoolOptions,
  type PoolStats } from '../../index.ts';
import { Carrier } from './carrier.ts';
import type { Host } from './request.ts';
import { sessionOf } from './session.ts';
import type { SharedRequest } from './shared.ts';
import type { PgClient } from './types.ts';

export interface PipelineSettings {
  /** How many connections carry at once, those aside that are stuck with a slow statement. */
  readonly connections: number;
  /** How many statements may be in flight on each. */
  readonly depth: number;
  readonly stallMs: number;
  readonly cancelTimeoutMs: number;
  readonly leakThresholdMs: number | undefined;
  /** What the places have in common with the pool of connections. */
  readonly pool: Pick<PoolOptions<never>,
    'acquireTimeoutMs' | 'maxWaiting' | 'shedding' | 'lanes' | 'headroom' | 'clock' | 'random'>;
}

/** The pool of connections, as it is seen from here. */
export interface Ground extends Host {
  acquireAlone(options: AcquireOptions): Promise<Lease<PgClient>>;
  tryAcquireAlone(options: Pick<AcquireOptions, 'label'>): Lease<PgClient> | undefined;
  stats(): PoolStats;
  /** Why the last create failed, if nothing has been created since. */
  lastCreateError(): unknown;
}

/** Of the leases that carriers hold. */
export const CARRIER_LABEL = 'pipeline';

/** An empty carrier goes back after this. */
const EMPTY_MS = 20;
/** A carrier goes back after this, empty or not. */
const TURN_MS = 1_000;
/** A carrier that is struck but not known to be stuck is looked at this often at least. */
const LONGEST_LOOK_MS = 50;
/** What is in flight on each would take longer than this: the server could work on more of it at once. */
const CROWDED_MS = 5;
/** One look may have met a burst. */
const CROWDED_LOOKS = 2;
/** How many looks decide how many carriers there should be. */
const LOOKS_PER_REVIEW = 25;

export class Pipeline {
  readonly ground: Ground;
  readonly places: Pool<Carrier>;
  private readonly settings: PipelineSettings;
  private readonly carriers = new Set<Carrier>();
  /** Those of them that are in the pool of places. */
  private attached = 0;
  /** How many there may be: `pipelineConnections`, and more while statements take long. */
  private limit: number;
  /** In so many looks in a row all of them had more in flight than they can do in a moment. */
  private crowded = 0;
  private crowdedLately = false;
  /** How many carriers there should be. */
  private wanted = 0;
  readonly cutOff: CloseResult['abandoned'][number][] = [];
  /** Statements on those that are attached. */
  private inFlight = 0;
  /** The most that were in flight at once since the last review. */
  private peak = 0;
  private looks = 0;
  /** At the last look there was no connection that is nobody's. */
  private full = false;
  private readonly lookMs: number;
  private timer: NodeJS.Timeout | undefined = undefined;

  constructor(ground: Ground, settings: PipelineSettings) {
    this.ground = ground;
    this.settings = settings;
    this.limit = Math.min(settings.connections, ground.stats().max);
    this.lookMs = Math.min(LONGEST_LOOK_MS, Math.max(1, settings.stallMs / 2));
    this.places = new Pool<Carrier>({
      ...settings.pool,
      name: `${ground.name}/pipeline`,
      max: this.limit,
      sharing: settings.depth,
      maxCreating: Infinity,
      createTimeoutMs: 0, // finding a connection has its own deadline
      createRetry: false, // and its own retries
      idleTimeoutMs: EMPTY_MS,
      // Whoever is told of leaks is not to be told of these.
      maxLifetimeMs: Math.min(TURN_MS, (settings.leakThresholdMs ?? Infinity) / 2),
      factory: {
        create: ({ signal }) => this.takeOffNow() ?? this.takeOff(signal),
        destroy: (carrier) => {
          this.review();
          return carrier.giveBack();
        },
        isBroken: (carrier) => !carrier.usable,
        onLost: ({ session }, lost) => {
          session.lossListeners.add(lost);
          return () => session.lossListeners.delete(lost);
        },
        classify: (error) => error instanceof CreateError && !error.retryable ? 'permanent' : 'transient',
      },
    });
  }

  /** A statement is about to look for a place: if it would have to share one, and there may be more carriers, there should be one more. */
  expect(): void {
    if (this.attached < this.limit && this.inFlight >= this.attached && this.attached >= this.wanted && this.hasRoom()) {
      this.wanted = this.attached + 1;
      if (this.places.state === 'open') this.places.resize({ min: this.wanted });
      // Also when nothing is sent in the end: what nobody waits for any more must not be wanted for ever.
      this.timer ??= this.lookLater();
    }
  }

  /** One more is only taken where none has to be waited for: those who do wait need it more. Asked once per look. */
  private hasRoom(): boolean {
    if (this.attached === 0) return true;
    if (this.full) return false;
    const { size, idle, max } = this.ground.stats();
    this.full = idle === 0 && size >= max;
    return !this.full;
  }

  /** A statement has been sent. */
  sent(): void {
    this.inFlight++;
    if (this.inFlight > this.peak) this.peak = this.inFlight;
    this.timer ??= this.lookLater();
  }

  ended(carrier: Carrier): void {
    if (!carrier.detached) this.inFlight--;
  }

  /** Somebody waits for a connection of his own: one carrier for each that waits. */
  makeWay(): void {
    let { waiting } = this.ground.stats();
    if (waiting === 0) return;
    waiting -= this.places.stats().creating;
    const attached = [...this.carriers].filter((carrier) => !carrier.detached);
    const staying = attached.filter((carrier) => !carrier.leaving);
    if (waiting > attached.length - staying.length) this.land(staying.sort((a, b) => a.pipe.size - b.pipe.size)[0]);
  }

  /** Gives back one that carries nothing; false: there is none. */
  giveBackEmpty(): boolean {
    const empty = [...this.carriers].find((carrier) => carrier.pipe.size === 0 && !carrier.leaving);
    this.land(empty);
    return empty !== undefined;
  }

  resize(max: number): void {
    this.limitTo(Math.min(this.settings.connections, max));
  }

  /** Looking goes on while something is in flight: what its caller leaves is still cancelled. */
  close(options: CloseOptions): Promise<CloseResult> {
    return this.places.close(options);
  }

  /** The pool of connections has closed while this statement was in flight on a carrier that is in no pool of places any more. */
  cut(label: string | undefined, heldMs: number): void {
    this.cutOff.push({ ...(label === undefined ? {} : { label }), heldMs });
  }

  /** In the words of the pool of connections: the one that the caller knows. */
  refusal(error: unknown): unknown {
    if (error instanceof CreateError && error.pool === this.places.name) return error.cause;
    if (!(error instanceof AcquireTimeoutError) || error.pool !== this.places.name) return error;
    const { name } = this.ground;
    const stats = this.ground.stats();
    const lastCreateError = this.ground.lastCreateError();
    const why = lastCreateError instanceof Error ? ` The last create failed: ${lastCreateError.message}.` : '';
    return new AcquireTimeoutError(
      `${error.message} Of its connections ${stats.borrowed} of ${stats.max} are borrowed, ${stats.creating} being created, `
        + `${stats.waiting} waited for.${why}`,
      { code: 'ERR_POOL_ACQUIRE_TIMEOUT', pool: name, retryable: true, stats, waitedMs: error.waitedMs,
        ...(lastCreateError === undefined ? {} : { cause: lastCreateError }) });
  }

  // ------------------------------------------------------------------------------------------------------------------- details

  /** A connection that lies idle becomes a carrier at once, so that statements of the same moment are spread before they share. */
  private takeOffNow(): Carrier | undefined {
    const lease = this.ground.tryAcquireAlone({ label: CARRIER_LABEL });
    return lease === undefined ? undefined : this.carrierOf(lease);
  }

  private async takeOff(signal: AbortSignal): Promise<Carrier> {
    for (;;) {
      try {
        const carrier = this.carrierOf(await this.ground.acquireAlone({ signal, label: CARRIER_LABEL }));
        if (carrier !== undefined) return carrier;
      } catch (error) {
        // A carrier is for all who wait. Each has a deadline of its own, and none is told of one that was never his.
        if (!(error instanceof AcquireTimeoutError) || this.places.stats().waiting === 0) throw error;
      }
    }
  }

  /** Undefined: it has died meanwhile; there are others. */
  private carrierOf(lease: Lease<PgClient>): Carrier | undefined {
    const session = sessionOf(lease.resource);
    if (!session.usable) {
      lease.destroy(session.cause);
      return undefined;
    }
    const pipe = session.openPipe;
    if (pipe === undefined) {
      lease.release();
      throw new TypeError('statements cannot share this connection: its options say binary or query_timeout');
    }
    const carrier = new Carrier(lease, session, pipe, this.settings.cancelTimeoutMs, (gone) => {
      this.carriers.delete(gone);
      if (!gone.detached) this.attached--;
    });
    this.carriers.add(carrier);
    this.attached++;
    return carrier;
  }

  /** It takes no more, and goes back when it is empty. */
  land(carrier: Carrier | undefined): void {
    if (carrier === undefined) return;
    carrier.leaving = true;
    this.places.evict({ where: (each) => each === carrier });
  }

  /** A carrier goes. It is replaced only if somebody is there to use another. */
  private review(): void {
    this.shrink(this.inFlight + this.places.stats().waiting);
  }

  private shrink(wanted: number): void {
    if (wanted >= this.wanted || this.places.state === 'draining' || this.places.state === 'closed') return;
    this.wanted = wanted;
    this.places.resize({ min: wanted });
  }

  /** Statements that take long, but not so long that a connection is stuck: what is few for quick ones is too few for them. */
  private widen(): void {
    this.crowded = 0;
    this.crowdedLately = true;
    const { max } = this.ground.stats();
    if (this.limit < max && this.hasRoom()) this.limitTo(Math.min(max, Math.ceil(this.limit * 1.5)));
  }

  private limitTo(limit: number): void {
    if (this.places.state === 'draining' || this.places.state === 'closed') return;
    this.limit = limit;
    this.wanted = Math.min(this.wanted, limit);
    this.places.resize({ min: this.wanted, max: limit });
  }

  private lookLater(): NodeJS.Timeout {
    // What has arrived is read first: after a stall of this process its timers run before its sockets.
    return setTimeout(() => setImmediate(this.look), this.lookMs).unref();
  }

  private readonly look = (): void => {
    this.timer = undefined;
    this.full = false;
    let busy = this.places.stats().waiting > 0;
    let crowded = this.attached > 0;
    const now = performance.now();
    for (const carrier of [...this.carriers]) {
      if (!carrier.detached && carrier.waitMs(now) < CROWDED_MS) crowded = false;
      this.lookAt(carrier);
      busy ||= carrier.pipe.size > 0;
    }
    this.crowded = crowded ? this.crowded + 1 : 0;
    if (this.crowded >= CROWDED_LOOKS) this.widen();
    // Who waited before there were carriers, or while one was on its way, has called when there was none to land.
    this.makeWay();
    if (!busy) {
      this.peak = 0;
      this.looks = 0;
      this.shrink(0);
      return;
    }
    if (++this.looks >= LOOKS_PER_REVIEW) {
      this.looks = 0;
      this.shrink(this.peak);
      this.peak = this.inFlight;
      if (!this.crowdedLately && this.limit > this.settings.connections) this.limitTo(this.limit - 1);
      this.crowdedLately = false;
    }
    this.timer = this.lookLater();
  };

  private lookAt(carrier: Carrier): void {
    const head = carrier.pipe.head as SharedRequest | undefined;
    if (head === undefined || head !== carrier.seen) {
      carrier.seen = head;
      carrier.looks = 0;
      return;
    }
    const ranMs = ++carrier.looks * this.lookMs;
    // Nothing new comes at the end: then a place may stay one, with its label, until its statement is over.
    const stays = carrier.detached || this.places.state === 'draining' || this.places.state === 'closed';
    if (ranMs >= this.settings.stallMs && !stays) this.detach(carrier, head);
    if (!head.left || ranMs < Math.min(this.settings.stallMs, LONGEST_LOOK_MS)) return;
    if (!stays && !carrier.detached) this.detach(carrier, head);
    carrier.cancelHead(performance.now());
  }

  /** It is slow. Out of the pool of places, so that another can take its place there. */
  private detach(carrier: Carrier, head: SharedRequest): void {
    this.attached--;
    this.inFlight -= carrier.pipe.size;
    carrier.detached = true;
    this.review();
    head.leavePlace();
    carrier.detach();
  }
}
