// Those who borrow: they ask in all ways there are, hold for a while or for ever, give back once, twice or never, and leave when they like.

import type { AcquireOptions } from '../../index.ts';
import type { ScriptedResource } from '../factory.ts';
import type { Ask, SimLease } from './ledger.ts';
import { codeOf, type Stage } from './stage.ts';

const NEVER_A_LANE = 'nowhere';

export class Callers {
  /** Leases that are being disposed of. */
  disposing = 0;
  readonly #stage: Stage;
  /** A signal that many acquires share, as that of a shutdown. */
  #common = new AbortController();
  /** Leases that have ended, to be ended again. */
  readonly #ended: SimLease[] = [];
  /** How many wait until it is clean or gone. */
  readonly #cleaned = new Map<ScriptedResource, number>();
  #nextReason = 1;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  acquire(): void {
    const { random, world, pool, ledger } = this.#stage;
    const options = this.#drawOptions();
    if (options.lane === NEVER_A_LANE) {
      this.#mustRefuse(options);
      return;
    }
    const ask = this.#open(options);
    this.#write('asks', `${ask.id}${options.lane === undefined ? '' : ` in ${options.lane}`} for ${ask.timeoutMs} ms`);
    const holdMs = random.chance(0.6) ? this.#drawHold() : undefined;
    const handsOn = random.chance(0.1);
    const bare = ask.signal === undefined && isPlain(options, world.options.acquireTimeoutMs) && random.chance(0.3);
    pool.acquire(bare ? undefined : options).then(
      (lease) => {
        this.#write('served', `${ask.id}`);
        ledger.served(ask, lease);
        if (handsOn) this.#end(lease);
        else if (holdMs !== undefined) this.#stage.later(holdMs, () => this.#end(lease));
      },
      (error: unknown) => {
        this.#write('failed', `${ask.id} ${codeOf(error)}`);
        ledger.failed(ask, error);
      },
    );
  }

  crowd(): void {
    for (let count = this.#stage.random.int(2, 8); count > 0; count--) this.acquire();
  }

  tryAcquire(): void {
    const { pool, ledger, world } = this.#stage;
    const before = ledger.asks.length;
    const lease = pool.tryAcquire();
    this.#write('tries', lease === undefined ? 'in vain' : 'with success');
    if (lease !== undefined && !this.#stage.calledBack) ledger.tried(firstLane(world.options), lease, before);
  }

  use(): void {
    const { random, pool, ledger } = this.#stage;
    const options = this.#drawOptions();
    if (options.lane === NEVER_A_LANE) delete (options as { lane?: string }).lane;
    const ask = this.#open(options);
    const kind = random.pick(['returns', 'throws', 'resolves', 'rejects', 'ends', 'nests'] as const);
    const holdMs = this.#drawHold();
    this.#write('uses', `${ask.id} ${kind} ${holdMs}`);
    const result = { ask };
    let given: SimLease | undefined;
    const used = pool.use((_, lease) => {
      given = lease;
      this.#write('served', `${ask.id}`);
      ledger.served(ask, lease);
      switch (kind) {
        case 'returns': return result;
        case 'throws': throw result as unknown as Error;
        case 'ends': this.#stage.resources.memoryOf(lease.resource).condemned = true; lease.destroy(); return result;
        case 'nests': this.acquire(); return result;
        default: return new Promise((resolve, reject) => {
          this.#stage.later(holdMs, () => (kind === 'resolves' ? resolve(result) : reject(result)));
        });
      }
    }, options);
    used.then(
      (value) => this.#used(value === result && kind !== 'throws' && kind !== 'rejects', given),
      (error: unknown) => {
        if (error === result) this.#used(kind === 'throws' || kind === 'rejects', given);
        else if (given === undefined) {
          this.#write('failed', `${ask.id} ${codeOf(error)}`);
          // A listener, or the pool itself, ended the lease before the function could run.
          if (codeOf(error) === 'ERR_POOL_LEASE_ENDED') ledger.servedInVain(ask);
          else ledger.failed(ask, error);
        } else ledger.fault(`use of ask ${ask.id} failed with ${codeOf(error)}`);
      },
    );
  }

  release(): void {
    const lease = this.#pickLease();
    if (lease !== undefined) this.#end(lease);
  }

  endTwice(): void {
    const { random, ledger } = this.#stage;
    const lease = this.#ended.length === 0 ? undefined : random.pick(this.#ended.slice(-5));
    if (lease === undefined) return;
    this.#write('endsTwice');
    if (random.chance(0.5) ? lease.release() : lease.destroy()) ledger.fault('I4: a lease ended twice');
    let reached: unknown;
    try {
      reached = random.chance(0.5) ? lease.resource : lease.detach();
    } catch (error) {
      if (codeOf(error) !== 'ERR_POOL_LEASE_ENDED') ledger.fault(`after the end of a lease: ${codeOf(error)}`);
    }
    if (reached !== undefined) ledger.fault(`I4: a resource was reached through a lease that had ended`);
  }

  destroy(): void {
    const lease = this.#pickLease();
    if (lease === undefined) return;
    this.#write('destroys', lease.resource.name);
    this.#ended.push(lease);
    this.#stage.resources.memoryOf(lease.resource).condemned = true;
    if (!lease.destroy(new Error('scripted: unusable'))) this.#stage.ledger.fault('I4: a live lease could not be destroyed');
  }

  detach(): void {
    const { ledger, resources } = this.#stage;
    const lease = this.#pickLease();
    if (lease === undefined) return;
    const memory = resources.memoryOf(lease.resource);
    if (memory.leases > 1) this.#stage.orphaned = true;
    this.#write('detaches', lease.resource.name);
    memory.detached = true;
    this.#ended.push(lease);
    const resource = lease.detach();
    if (resources.memoryOf(resource) !== memory) ledger.fault('detach returned another resource');
  }

  dispose(): void {
    const { ledger, engine } = this.#stage;
    const lease = this.#pickLease();
    if (lease === undefined) return;
    const { resource } = lease;
    this.#write('disposes', resource.name);
    this.#ended.push(lease);
    this.disposing++;
    this.#cleaned.set(resource, (this.#cleaned.get(resource) ?? 0) + 1);
    void lease[Symbol.asyncDispose]().then(() => {
      this.disposing--;
      this.#write('disposed', resource.name);
      const others = this.#cleaned.get(resource)! - 1;
      this.#cleaned.set(resource, others);
      const unclean = others === 0 && engine.slots.resetting.toArray().some((slot) => slot.resource === resource && slot.watched);
      if (unclean) ledger.fault(`disposed before ${resource.name} was clean`);
    });
  }

  abort(): void {
    const { random, ledger } = this.#stage;
    const waiting = ledger.waiting.filter((ask) => ask.controller !== undefined);
    if (waiting.length === 0) return;
    const ask = random.pick(waiting);
    this.#write('aborts', `${ask.id}`);
    ask.controller!.abort(new Error(`left ${this.#nextReason++}`));
  }

  abortAll(): void {
    this.#write('abortsAll');
    const { ledger } = this.#stage;
    const common = this.#common;
    this.#common = new AbortController();
    common.abort(new Error(`all left ${this.#nextReason++}`));
    for (const ask of ledger.waiting) if (ask.signal === common.signal) this.#stage.later(0, () => this.#mustBeSettled(ask));
  }

  /** Everybody who holds something gives it back. */
  releaseAll(): void {
    for (const lease of this.#stage.ledger.leases) if (!lease.ended) this.#end(lease);
  }

  #mustBeSettled(ask: Ask): void {
    if (ask.state === 'waiting') this.#stage.ledger.fault(`I5: ask ${ask.id} was aborted and waits`);
  }

  #used(expected: boolean, lease: SimLease | undefined): void {
    const { ledger } = this.#stage;
    if (!expected) ledger.fault('use did not pass on what its function returned or threw');
    if (lease?.ended !== true) ledger.fault('use left its lease open');
    else this.#ended.push(lease);
  }

  #mustRefuse(options: AcquireOptions): void {
    const { pool, ledger } = this.#stage;
    pool.acquire(options).then(
      () => ledger.fault('a lane that does not exist was served'),
      (error: unknown) => {
        if (codeOf(error) !== 'ERR_POOL_INVALID_OPTION') ledger.fault(`a lane that does not exist: ${codeOf(error)}`);
      },
    );
  }

  #end(lease: SimLease): void {
    if (lease.ended) return;
    this.#write('releases', lease.resource.name);
    this.#ended.push(lease);
    if (!lease.release()) this.#stage.ledger.fault('I4: a live lease could not be released');
  }

  #pickLease(): SimLease | undefined {
    const { random, ledger } = this.#stage;
    const live = [...ledger.leases].filter((lease) => !lease.ended);
    return live.length === 0 ? undefined : random.pick(live);
  }

  #open(options: AcquireOptions): Ask {
    const { world, ledger } = this.#stage;
    const lane = options.lane ?? firstLane(world.options);
    const timeoutMs = options.timeoutMs ?? world.options.acquireTimeoutMs!;
    return ledger.open({ lane, timeoutMs, signal: options.signal, controller: this.#own, calledBack: this.#stage.calledBack });
  }

  /** The controller of the options drawn last, when it is the asker's own. */
  #own: AbortController | undefined;

  #drawOptions(): AcquireOptions {
    const { random, world } = this.#stage;
    const { lanes } = world.options;
    const signal = this.#drawSignal();
    const forEver = signal === undefined ? 2000 : Infinity;
    const timeoutMs = random.chance(0.4) ? undefined : random.pick([0, 1, 5, 20, 50.5, 100, 300, 1000, forEver]);
    const named = lanes === undefined || random.chance(0.3) ? undefined : random.pick(Object.keys(lanes));
    const lane = random.chance(0.01) ? NEVER_A_LANE : named;
    return {
      ...(signal === undefined ? {} : { signal }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(lane === undefined ? {} : { lane }),
      ...(random.chance(0.2) ? { label: 'labelled' } : {}),
    };
  }

  #drawSignal(): AbortSignal | undefined {
    const { random } = this.#stage;
    const dice = random();
    this.#own = dice < 0.25 ? new AbortController() : undefined;
    if (this.#own !== undefined) return this.#own.signal;
    if (dice < 0.33) return this.#common.signal;
    return dice < 0.35 ? AbortSignal.abort(new Error(`gone before ${this.#nextReason++}`)) : undefined;
  }

  #drawHold(): number {
    const { random, world } = this.#stage;
    const ms = random.exponential(world.holdMs);
    return world.whole || random.chance(0.5) ? Math.round(ms) : ms;
  }

  #write(kind: string, details = ''): void {
    this.#stage.log.write(this.#stage.clock.now(), kind, details);
  }
}

function firstLane(options: { readonly lanes?: Readonly<Record<string, unknown>> }): string {
  return options.lanes === undefined ? 'default' : Object.keys(options.lanes)[0]!;
}

function isPlain(options: AcquireOptions, defaultMs: number | undefined): boolean {
  return options.lane === undefined && (options.timeoutMs === undefined || options.timeoutMs === defaultMs);
}
