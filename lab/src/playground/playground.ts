// The playground: users, a pool, a database, and hands that move all three. It knows nothing of pages and terminals; whoever looks
// subscribes to its ticks.
import { EventEmitter } from 'node:events';
import { availableParallelism } from 'node:os';
import { PoolError } from 'millpond';
import { createPgPool, type PgPool } from 'millpond/pg';
import type { PostgresServer } from '../servers/postgres.ts';
import { Points } from './curve.ts';
import { Gauge, SLICE_MS, type Span } from './gauge.ts';
import { order } from './load/order.ts';
import { Users } from './load/users.ts';
import { lent, PATIENCE_MS, perRequest, shared, type Connect, type Way } from './load/ways.ts';
import { Mischief } from './mischief.ts';
import type { Act, Handling, HolderLine, Mark, Point, Sample, Settings, Tick } from './page/wire.ts';
import { ServerView } from './server-view.ts';
import { changed, differences, LIMITS, loadOf } from './settings.ts';
import { averageOf, Sweep } from './sweep.ts';

/** A minute of slices. */
const HISTORY = 60_000 / SLICE_MS;
const MOST_MARKS = 60;
/** A slider that is being moved makes one mark, not one for each place that it passes. */
const SAME_MOVE_MS = 1500;
/** After a change figures are of the time before it, in part. */
const SETTLED_AFTER_MS = 2500;
const SHOWN_HOLDERS = 8;
/** Those who come and go are no news. */
const LONG_HELD_MS = 250;
/** A hand on a slider wants to see its size soon, though the database is busy. */
const MAX_CREATING = 20;
const FILLED_WITHIN_MS = 30_000;
const POOL_NAME = 'playground';

interface Kept extends Mark {
  readonly key: string;
}

export interface PlaygroundOptions {
  readonly server: PostgresServer;
  readonly connect: Connect;
  readonly perMs: number;
  readonly settings: Settings;
}

export class Playground extends EventEmitter<{ tick: [Tick]; mark: [Mark] }> {
  readonly pool: PgPool;
  readonly cores: number = availableParallelism();
  readonly gauge: Gauge = new Gauge(PATIENCE_MS);
  readonly history: Sample[] = [];
  readonly #connect: Connect;
  readonly #users: Users;
  readonly #mischief: Mischief;
  readonly #view: ServerView;
  readonly #points = new Points();
  readonly #marks: Kept[] = [];
  readonly #begunMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  #settings: Settings;
  #way: Way;
  #loop = performance.eventLoopUtilization();
  #settledAtMs: number;
  #sweep: Sweep | undefined;
  #closing = false;

  constructor({ server, connect, perMs, settings }: PlaygroundOptions) {
    super();
    this.#connect = connect;
    this.#settings = settings;
    this.pool = createPgPool({
      ...connect, name: POOL_NAME, ...this.#size(), maxCreating: MAX_CREATING, acquireTimeoutMs: PATIENCE_MS, leakThresholdMs: 5000,
      breaker: { failures: 3, probeIntervalMs: 500 },
    });
    this.#way = this.#wayOf(settings.handling);
    this.#mischief = new Mischief(server, this.pool, (kind, text) => this.#mark(kind, text));
    this.#view = new ServerView(connect, () => server.pid);
    this.#users = new Users({
      most: LIMITS.users.most,
      ask: (user) => this.#ask(user, perMs),
      pauseMs: () => this.#settings.pauseMs,
      onOk: (waitedMs) => this.gauge.addOk(waitedMs),
      onError: (error, waitedMs) => {
        if (!this.#closing) this.gauge.addError(error, waitedMs);
      },
    });
    this.#points.under(loadOf(settings));
    this.#users.set(settings.users);
    this.#settledAtMs = performance.now() + SETTLED_AFTER_MS;
    this.#timer = setInterval(() => this.#tick(), SLICE_MS);
  }

  get settings(): Settings {
    return this.#settings;
  }

  /** Throws a WrongSetting for what makes no sense. Ends a sweep. */
  set(given: unknown): void {
    const settings = changed(this.#settings, given);
    this.#sweep?.end();
    this.#apply(settings);
  }

  /** Does it; what goes wrong later is counted among the errors. */
  do(act: Act): void {
    const work = this.#work(act);
    if (work !== undefined) work.catch((error: unknown) => this.gauge.addError(error, 0));
  }

  /** Tries all sizes; resolves when it is over, or was ended. */
  async sweep(sizes?: readonly number[], lookMs?: number): Promise<void> {
    if (this.#sweep !== undefined) return;
    const before = this.#settings;
    const sweep = new Sweep(sizes, lookMs);
    this.#sweep = sweep;
    try {
      await sweep.run({
        use: (size) => this.#apply({ ...this.#settings, handling: 'pool', size }),
        fill: (signal) => this.#fill(signal),
        samples: () => this.history,
        point: (point) => this.#points.add(point),
      });
    } finally {
      this.#sweep = undefined;
      // Ended by a hand on a control: that hand has the last word.
      if (!sweep.ended) this.#apply({ ...this.#settings, handling: before.handling, size: before.size });
    }
  }

  /** Everything that there is to show now. */
  look(): Tick {
    return {
      sample: this.history.at(-1) ?? this.#sample({ seconds: 1, ok: 0, errors: 0, p50: NaN, p99: NaN }),
      settings: this.#settings,
      marks: this.#marks,
      curve: this.#points.curve(this.cores),
      errors: this.gauge.errors(),
      holders: this.#holders(),
      leaked: this.#mischief.leaked,
      transaction: this.#mischief.transaction,
      sweep: this.#sweep?.now ?? null,
    };
  }

  /** Lets everybody go. What still waits for a server that is gone or frozen is not waited for. */
  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#timer);
    this.#sweep?.end();
    await this.#mischief.close();
    await this.#view.close();
    const gone = this.#users.gone();
    this.#way.leave();
    await this.pool.close({ deadlineMs: 500 });
    await gone;
  }

  // ---------------------------------------------------------------------- details

  /** Whoever is in line when the line is closed because somebody chose another way goes that way: it is no failure of either. */
  async #ask(user: number, perMs: number): Promise<unknown> {
    for (;;) {
      const way = this.#way;
      try {
        return await way.request(order(user, this.#settings, perMs));
      } catch (error) {
        if (way === this.#way) throw error;
      }
    }
  }

  #work(act: Act): Promise<void> | undefined {
    const mischief = this.#mischief;
    switch (act) {
      case 'kill': return mischief.kill().finally(() => this.#view.forget());
      case 'start': return mischief.start();
      case 'freeze': return mischief.freeze().finally(() => this.#view.forget());
      case 'thaw': return mischief.thaw();
      case 'leak': return mischief.leak();
      case 'give-back': mischief.giveBack(); return undefined;
      case 'transaction': return mischief.longTransaction();
      case 'end-transaction': mischief.endTransaction(); return undefined;
      case 'sweep': return this.sweep();
      case 'end-sweep': this.#sweep?.end(); return undefined;
    }
  }

  #apply(settings: Settings): void {
    const before = this.#settings;
    const moved = differences(before, settings);
    if (moved.length === 0) return;
    this.#settings = settings;
    for (const [key, words] of moved) this.#mark('moved', words, key);
    this.#settledAtMs = performance.now() + SETTLED_AFTER_MS;
    this.#points.under(loadOf(settings));
    if (before.handling !== settings.handling) {
      const left = this.#way;
      this.#way = this.#wayOf(settings.handling);
      left.leave();
    }
    if (before.handling !== settings.handling || before.size !== settings.size) {
      this.pool.resize(this.#size());
      if (settings.handling !== 'pool') this.pool.evict();
    }
    if (before.users !== settings.users) this.#users.set(settings.users);
  }

  /** While nobody asks: among two hundred busy sessions a new one takes long to come by. False when it did not fill. */
  async #fill(signal: AbortSignal): Promise<boolean> {
    this.#users.set(0);
    try {
      await this.pool.ready({ timeoutMs: FILLED_WITHIN_MS, signal });
      return true;
    } catch (error) {
      if (error instanceof PoolError) return false;
      throw error;
    } finally {
      this.#users.set(this.#settings.users);
    }
  }

  /** As full as it may be, so that a size is really that size. Where nobody uses the pool it has nothing. */
  #size(): { min: number; max: number } {
    const { handling, size } = this.#settings;
    return { min: handling === 'pool' ? size : 0, max: size };
  }

  #wayOf(handling: Handling): Way {
    if (handling === 'pool') return lent(this.pool);
    return handling === 'shared' ? shared(this.#connect) : perRequest(this.#connect);
  }

  #holders(): HolderLine[] {
    return this.pool.holders().filter(({ heldMs }) => heldMs >= LONG_HELD_MS).slice(0, SHOWN_HOLDERS)
      .map(({ id, label = '', heldMs }) => ({ id, label, heldMs }));
  }

  #mark(kind: Mark['kind'], text: string, key = text): void {
    const mark: Kept = { atMs: performance.now() - this.#begunMs, text, kind, key };
    const last = this.#marks.at(-1);
    if (last?.key === key && mark.atMs - last.atMs < SAME_MOVE_MS) this.#marks.pop();
    this.#marks.push(mark);
    if (this.#marks.length > MOST_MARKS) this.#marks.shift();
    if (kind === 'trouble') this.#sweep?.end();
    if (kind !== 'moved') this.#settledAtMs = performance.now() + SETTLED_AFTER_MS;
    this.emit('mark', mark);
  }

  #tick(): void {
    const nowMs = performance.now();
    this.history.push(this.#sample(this.gauge.slice(nowMs)));
    if (this.history.length > HISTORY) this.history.shift();
    const point = nowMs < this.#settledAtMs ? undefined : this.#livePoint();
    if (point !== undefined) this.#points.add(point);
    this.emit('tick', this.look());
  }

  /** What the size is worth that is used now, once it has settled and nothing is broken. */
  #livePoint(): Point | undefined {
    const { handling, size, users } = this.#settings;
    const whole = this.#mischief.server === 'up' && !this.#mischief.transaction && this.#mischief.leaked === 0;
    if (!whole || handling !== 'pool' || users === 0 || this.#sweep !== undefined) return undefined;
    return averageOf(size, this.history.slice(-SETTLED_AFTER_MS / SLICE_MS + 2));
  }

  #sample({ seconds, ok, errors, p50, p99 }: Span): Sample {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#loop);
    this.#loop = now;
    const nowMs = performance.now();
    return {
      atMs: nowMs - this.#begunMs,
      perSecond: ok / seconds,
      errorsPerSecond: errors / seconds,
      p50: Number.isNaN(p50) ? null : p50,
      p99: Number.isNaN(p99) ? null : p99,
      longestMs: this.#users.longestMs(nowMs),
      ...this.#way.inside(),
      backends: this.#mischief.server === 'up' ? this.#view.backends : null,
      server: this.#mischief.server,
      clientBusy: utilization,
      serverCores: this.#view.cores,
      othersCores: this.#view.othersCores,
    };
  }
}
