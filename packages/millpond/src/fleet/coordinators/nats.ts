// A fleet's coordinator on NATS: the state is in the memory of one member, which is elected through a key of a JetStream bucket, and whom
// the others ask by request and reply. That member runs the reference step (allocator.ts) itself. Nobody writes to a stream per heartbeat,
// and no two writers ever compete for one key.
//
// The key vanishes by itself when it is not renewed for the bucket's `ttl`. Its holder counts the same time from before it ASKED for the
// renewal, less one in a hundred for the difference of clocks, and answers nobody afterwards: it has been deposed before anybody else is
// elected. A new one knows nothing and learns, `ttl` longer than elsewhere, in case the bucket itself has lost the key too early. What a
// deposed one has answered in its last moment ends with the lease of who asked, which is before the new one has learnt.

import { randomUUID } from 'node:crypto';
import { newFleet, step, viewOf, type Fleet } from '../allocator.ts';
import { suspendAwareClock } from '../clock.ts';
import type { Coordinator, FleetView, Heartbeat, Reply } from '../protocol.ts';
import { isHeartbeat } from '../sound.ts';
import type { CoordinatorClock } from './common.ts';
import { EMPTY_VIEW } from './sql.ts';

/** A connection of `@nats-io/transport-node` or `nats`, as far as it is needed. */
export interface NatsFleetConnection {
  request(subject: string, payload: Uint8Array, options: { timeout: number }): Promise<{ readonly data: Uint8Array }>;
  subscribe(subject: string, options: { callback: (error: Error | null, message: NatsMessage) => void }): { unsubscribe(): void };
  status(): AsyncIterable<{ readonly type: string }>;
  isClosed(): boolean;
}

interface NatsMessage {
  readonly data: Uint8Array;
  respond(payload: Uint8Array): boolean;
}

/** A bucket of `@nats-io/kv`, or of `jetstream().views.kv()` of `nats`, as far as it is needed. */
export interface NatsFleetBucket {
  get(key: string): Promise<{ readonly value: Uint8Array; readonly operation: string } | null>;
  create(key: string, value: Uint8Array): Promise<number>;
  update(key: string, value: Uint8Array, revision: number): Promise<number>;
  delete(key: string, options?: { previousSeq?: number }): Promise<void>;
  status(): Promise<{ readonly ttl: number }>;
}

export interface NatsFleetClient {
  readonly connection: NatsFleetConnection;
  /** Made with a `ttl` of 1 000 to 30 000 ms, in files; 3 000 is a good one. It may serve many budgets. */
  readonly bucket: NatsFleetBucket;
}

export interface NatsCoordinatorOptions {
  /** Of the budget. */
  readonly key: string;
}

export interface NatsCoordinator extends Coordinator {
  /**
   * To be called before the process ends in order: if it divides the connections, another one may do so at once, and need not wait until
   * this one is missed.
   */
  resign(): Promise<void>;
}

/** Throws a TypeError for a client or a key that cannot be one. */
export function natsCoordinator(client: NatsFleetClient, options: NatsCoordinatorOptions): NatsCoordinator {
  return new ElectedCoordinator(client, options);
}

const [LEAST_TTL_MS, MOST_TTL_MS] = [1_000, 30_000];
const ANSWER_MS = 1_000;
/** A second may be longer or shorter here than at the server. */
const RATE_ERROR = 0.01;
/** The clock notices leaps of at least twice this. */
const LEAP_MS = 500;
const DEPOSED = { kind: 'deposed' } as const;

type Question = { readonly heartbeat: Heartbeat } | 'view';
type Answer = Reply | FleetView | typeof DEPOSED;

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const decode = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes));

/** Undefined: it is none. What is thrown while a message is read ends the connection, which is the application's. */
function questionFrom(bytes: Uint8Array): Question | undefined {
  try {
    const question = decode(bytes);
    if (question === 'view') return question;
    const { heartbeat } = question as { readonly heartbeat?: unknown };
    return isHeartbeat(heartbeat) ? { heartbeat } : undefined;
  } catch {
    return undefined;
  }
}

function leaptMs(): number {
  return suspendAwareClock.now() - performance.now();
}

/** What the one who was elected has. */
interface Office {
  readonly fleet: Fleet;
  readonly ttlMs: number;
  revision: number;
  /** Until when nobody else can have been elected. */
  endsAt: number;
  /** By how much the wall clock had leapt ahead when it was elected. */
  readonly leapt: number;
  readonly end: () => void;
}

/** @internal */
export class ElectedCoordinator implements NatsCoordinator {
  readonly #connection: NatsFleetConnection;
  readonly #bucket: NatsFleetBucket;
  readonly #key: string;
  readonly #clock: CoordinatorClock | undefined;
  /** Of one member in one term of office at most. */
  #self: string = randomUUID();
  #office: Office | undefined = undefined;
  /** Who was the elected one when it was last looked up. */
  #elected: string | undefined = undefined;
  #looking: Promise<string | undefined> | undefined = undefined;
  #connected = true;

  constructor({ connection, bucket }: NatsFleetClient, { key }: NatsCoordinatorOptions, clock?: CoordinatorClock) {
    if (typeof connection?.request !== 'function' || typeof bucket?.create !== 'function') {
      throw new TypeError('the client must be { connection, bucket }: a connection to NATS and a bucket of its key-value store');
    }
    if (typeof key !== 'string' || key === '') throw new TypeError('key must be a text');
    this.#connection = connection;
    this.#bucket = bucket;
    // Subjects and keys are made of letters, digits, - and _.
    this.#key = `fleet-${Buffer.from(key).toString('base64url')}`;
    this.#clock = clock;
    void this.#watch();
  }

  async heartbeat(request: Heartbeat, signal?: AbortSignal): Promise<Reply> {
    const reply = await this.#ask({ heartbeat: request }, true, signal);
    return reply as Reply;
  }

  async view(signal?: AbortSignal): Promise<FleetView> {
    return (await this.#ask('view', false, signal) ?? EMPTY_VIEW) as FleetView;
  }

  async resign(): Promise<void> {
    const office = this.#office;
    if (office === undefined) return;
    this.#leave();
    await this.#bucket.delete(this.#key, { previousSeq: office.revision });
  }

  // ---------------------------------------------------------------------------------------------------------- whoever asks

  /** Whom it may take twice to find: the one who was known may be gone. Undefined: nobody is elected, and nobody is to be. */
  async #ask(question: Question, mayElect: boolean, signal: AbortSignal | undefined): Promise<Answer | undefined> {
    for (let attempt = 1; ; attempt++) {
      // The client would keep what it is to send until it is connected again.
      if (this.#office === undefined && (!this.#connected || this.#connection.isClosed())) {
        throw new Error('the NATS client of the fleet is not connected');
      }
      const elected = this.#elected ?? await this.#find(mayElect);
      signal?.throwIfAborted();
      if (elected === undefined) return undefined;
      const answer = elected === this.#self ? this.#answer(question) : await this.#askOther(elected, question);
      if (answer !== DEPOSED) return answer;
      this.#elected = undefined;
      if (attempt === 2) throw new Error('nobody divides the connections of this fleet at the moment: the one who did is gone');
    }
  }

  async #askOther(elected: string, question: Question): Promise<Answer> {
    try {
      const { data } = await this.#connection.request(this.#subject(elected), encode(question), { timeout: ANSWER_MS });
      const answer = decode(data) as Answer;
      return 'kind' in answer && answer.kind === 'deposed' ? DEPOSED : answer;
    } catch (error) {
      this.#elected = undefined;
      if (/no responders|503/i.test(String(error))) return DEPOSED;
      throw error;
    }
  }

  #subject(elected: string): string {
    return `millpond.${this.#key}.${elected}`;
  }

  #find(mayElect: boolean): Promise<string | undefined> {
    this.#looking ??= this.#look(mayElect).finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(mayElect: boolean): Promise<string | undefined> {
    const entry = await this.#bucket.get(this.#key);
    if (entry !== null && entry.operation === 'PUT') this.#elected = new TextDecoder().decode(entry.value);
    else if (mayElect) await this.#stand();
    return this.#elected;
  }

  // ------------------------------------------------------------------------------------------------------- the one who is elected

  async #stand(): Promise<void> {
    const { ttl } = await this.#bucket.status();
    if (!(ttl >= LEAST_TTL_MS && ttl <= MOST_TTL_MS)) {
      throw new Error(`the bucket of the fleet has a ttl of ${ttl} ms; it must be from ${LEAST_TTL_MS} to ${MOST_TTL_MS}`);
    }
    const self = randomUUID();
    const askedAt = suspendAwareClock.now();
    const revision = await this.#bucket.create(this.#key, new TextEncoder().encode(self));
    this.#leave();
    this.#self = self;
    const subscription = this.#connection.subscribe(this.#subject(self), {
      callback: (error, message) => {
        const question = error === null ? questionFrom(message.data) : undefined;
        if (question !== undefined) message.respond(encode(this.#answer(question)));
      },
    });
    const timer = setInterval(() => void this.#renew(self), ttl / 3);
    timer.unref();
    const end = (): void => {
      clearInterval(timer);
      subscription.unsubscribe();
    };
    this.#office = { fleet: newFleet(), ttlMs: ttl, revision, endsAt: askedAt + ttl * (1 - RATE_ERROR), leapt: leaptMs(), end };
    this.#elected = self;
  }

  async #renew(self: string): Promise<void> {
    const office = this.#office;
    if (office === undefined || this.#self !== self) return;
    const askedAt = suspendAwareClock.now();
    try {
      office.revision = await this.#bucket.update(this.#key, new TextEncoder().encode(self), office.revision);
      office.endsAt = askedAt + office.ttlMs * (1 - RATE_ERROR);
    } catch (error) {
      // Somebody else's, or gone. Anything else may pass before the time is up.
      if (/wrong last sequence|10071/i.test(String((error as Error).message)) && this.#office === office) this.#leave();
    }
  }

  #leave(): void {
    this.#office?.end();
    this.#office = undefined;
    this.#elected = undefined;
  }

  #answer(question: Question): Answer {
    const office = this.#office;
    if (office === undefined) return DEPOSED;
    // Whether it slept or its clock was set: what it takes for silent now may not have been silent.
    if (suspendAwareClock.now() >= office.endsAt || leaptMs() - office.leapt > LEAP_MS) {
      this.#leave();
      return DEPOSED;
    }
    const { fleet, ttlMs } = office;
    const now = this.#clock?.now() ?? Math.floor(suspendAwareClock.now());
    if (question === 'view') return viewOf(fleet, now);
    const { terms } = fleet;
    const reply = step(fleet, question.heartbeat, now, this.#clock?.identity() ?? this.#self);
    if (terms !== undefined || this.#clock !== undefined || reply.kind !== 'granted') return reply;
    fleet.learningUntil += ttlMs;
    return reply;
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (type === 'disconnect') this.#connected = false;
      else if (type === 'reconnect') this.#connected = true;
    }
  }
}
