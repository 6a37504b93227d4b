// A small pool, written apart from the engine, for testing the contract for pools: as it is it keeps the contract; with one of its faults
// switched on it does not, and a contract that lets it pass is too weak. It is slow (arrays, a timer for everything) and has only what
// the contract asks for.

import type { AcquireOptions, CloseResult, DestroyReason, Lease, PoolOptions } from 'millpond';
import type { ContractPool, ScriptedResource } from 'millpond/testing';
import { ToyError, ToyLease, type Fault, type Slot, type Waiter } from './toy-parts.ts';
import { ToyState } from './toy-state.ts';

export class ToyPool extends ToyState implements ContractPool {
  constructor(options: PoolOptions<ScriptedResource>, fault?: Fault) {
    super(options, fault);
    this.#dispatch();
  }

  acquire(options: AcquireOptions = {}): Promise<Lease<ScriptedResource>> {
    this.counts.acquires++;
    const { signal, label } = options;
    if (signal?.aborted === true) {
      if (!this.has('aborted acquires uncounted')) this.counts.aborted++;
      if (this.has('aborted signal still validates') && this.idle.length > 0)
        void this.o.factory.validate?.(this.idle[0]!.resource, { ...this.infoOf(this.idle[0]!), signal });
      return Promise.reject(signal.reason);
    }
    if (this.closing !== undefined) return this.#refuse('ERR_POOL_CLOSED');
    if (this.paused === 'reject') return this.#refuse('ERR_POOL_PAUSED');
    return new Promise((resolve, reject) => {
      const since = this.now();
      const timeoutMs = options.timeoutMs ?? this.o.acquireTimeoutMs ?? 5000;
      const onAbort = (): void => {
        this.counts.aborted++;
        if (this.has('abort stays in the queue')) waiter.clean();
        else this.#drop(waiter);
        reject(this.has('abort wrapped') ? new ToyError('ABORTED', signal!.reason) : signal!.reason);
        this.#dispatch();
      };
      const waiter: Waiter = {
        since,
        label,
        deadline: since + timeoutMs,
        resolve,
        reject,
        clean: () => {
          this.timers.cancel(waiter);
          signal?.removeEventListener('abort', onAbort);
        },
      };
      signal?.addEventListener('abort', onAbort);
      const shift = this.has('times out early') ? -1 : this.has('times out late') ? 1 : 0;
      if (timeoutMs !== Infinity) this.timers.arm(waiter, since + timeoutMs + shift, () => this.#expire(waiter));
      if (this.has('last in, first served')) this.waiters.unshift(waiter);
      else this.waiters.push(waiter);
      this.#dispatch();
      const backed = this.has('maxWaiting counts creates') ? 0 : this.count('creating') + this.count('validating');
      if (
        this.waiters.includes(waiter) &&
        this.waiters.length > (this.o.maxWaiting ?? Infinity) + backed &&
        !this.has('ignores maxWaiting')
      ) {
        this.#fail(waiter, 'rejected', new ToyError('ERR_POOL_QUEUE_FULL'));
      }
    });
  }

  tryAcquire(): Lease<ScriptedResource> | undefined {
    if (this.closing !== undefined || this.paused !== false || (this.waiters.length > 0 && !this.has('barging'))) return undefined;
    const slot = this.#pick(false);
    if (slot === undefined) return undefined;
    this.counts.acquires++;
    return this.#lend(slot, 0, undefined);
  }

  async use<R>(fn: (resource: ScriptedResource, lease: Lease<ScriptedResource>) => R, options?: AcquireOptions): Promise<Awaited<R>> {
    const lease = await this.acquire(options);
    if (this.has('use leaks on throw')) {
      const result = await fn(lease.resource, lease);
      lease.release();
      return result;
    }
    try {
      return await fn(lease.resource, lease);
    } finally {
      if (!lease.ended) lease.release();
    }
  }

  evict(): number {
    if (!this.has('evict keeps the create under way')) this.generation++;
    for (const slot of [...this.idle]) this.#destroy(slot, 'evicted');
    if (this.has('evict forgets the borrowed'))
      for (const slot of this.slots) if (slot.state === 'borrowed') (slot as { generation: number }).generation = this.generation;
    this.#dispatch();
    return this.slots.size;
  }

  resize({ min, max }: { readonly min?: number; readonly max?: number }): void {
    this.min = Math.min(min ?? this.min, max ?? Infinity);
    this.max = max ?? this.max;
    if (this.has('shrink kills leases'))
      for (const slot of [...this.slots]) if (this.slots.size > this.max && slot.lease !== undefined) this.end(slot.lease, 'overSize');
    if (!this.has('growth waits for a release')) this.#dispatch();
  }

  pause({ reject = false }: { readonly reject?: boolean } = {}): void {
    if (this.closing !== undefined || this.has('pause still lends')) return;
    this.paused = reject ? 'reject' : 'hold';
    if (reject && !this.has('pause reject keeps waiters'))
      for (const waiter of [...this.waiters]) this.#fail(waiter, 'rejected', new ToyError('ERR_POOL_PAUSED'));
  }

  resume(): void {
    this.paused = false;
    this.#dispatch();
  }

  close({ deadlineMs = 10_000 }: { readonly deadlineMs?: number } = {}): Promise<CloseResult> {
    if (this.closing !== undefined) return this.closing;
    this.closing = new Promise((resolve) => (this.closed = resolve));
    this.paused = false;
    if (!this.has('close forgets waiters'))
      for (const waiter of [...this.waiters]) this.#fail(waiter, 'rejected', new ToyError('ERR_POOL_CLOSED'));
    if (!this.has('close leaves timers')) for (const key of this.timers.keys()) if (typeof key === 'string') this.timers.cancel(key);
    for (const slot of [...this.slots]) {
      if (slot.state === 'creating' && !this.has('late create after close pooled')) slot.stop.abort(new Error('closing'));
      if (slot.state === 'idle' || slot.state === 'validating' || slot.state === 'resetting') this.#destroy(slot, 'poolClosed');
    }
    if (!this.has('close waits for ever')) this.timers.arm('close', this.now() + deadlineMs, () => this.#closeNow());
    this.#endIfEmpty();
    return this.closing;
  }

  end(lease: ToyLease, reason: DestroyReason | undefined): boolean {
    const { slot } = lease;
    if (lease.ended) {
      this.counts.staleReleases++;
      const { lease: current } = slot;
      if (this.has('second release frees the next lease') && current !== undefined) this.end(current, reason);
      return false;
    }
    lease.ended = true;
    slot.lease = undefined;
    const now = this.now();
    this.counts.useMs += now - lease.since;
    slot.idleSince = now;
    slot.aliveAt = now;
    const unfit = reason ?? this.unfitToReturn(slot);
    if (unfit !== undefined) this.#destroy(slot, unfit);
    else if (this.o.factory.reset === undefined) this.#toIdle(slot);
    else this.#reset(slot);
    if (this.has('barging')) queueMicrotask(() => this.#dispatch());
    else if (
      !(this.has('destroyed lease is not replaced') && reason !== undefined) &&
      !(this.has('evicted return wakes nobody') && unfit === 'evicted')
    )
      this.#dispatch();
    return true;
  }

  detach(lease: ToyLease): void {
    lease.ended = true;
    this.counts.detached++;
    this.#gone(lease.slot);
    this.#dispatch();
  }

  // ------------------------------------------------------------------ matching

  #dispatch(): void {
    if (this.busy || this.closing !== undefined || this.paused !== false) return;
    this.busy = true;
    for (let slot = this.#next(); slot !== undefined; slot = this.#next()) {
      const waiter = this.waiters.shift()!;
      waiter.clean();
      this.counts.waitMs += this.now() - waiter.since;
      waiter.resolve(this.#lend(slot, this.now() - waiter.since, waiter.label));
    }
    while (this.idle.length > 0 && this.staying() > this.max) this.#destroy(this.idle[0]!, 'overSize');
    while (
      this.wanted() > 0 &&
      this.counted() < this.max &&
      (this.count('creating') < (this.o.maxCreating ?? 2) || this.has('ignores maxCreating'))
    )
      this.#create();
    this.busy = false;
    if (this.wanted(true) > 0 && this.retryAt > this.now()) this.timers.arm('retry', this.retryAt, () => this.#dispatch());
    else this.timers.cancel('retry');
  }

  #next(): Slot | undefined {
    for (const waiter of [...this.waiters]) if (waiter.deadline <= this.now() && !this.has('serves the expired')) this.#expire(waiter);
    return this.waiters.length === 0 ? undefined : this.#pick(true);
  }

  #pick(forWaiter: boolean): Slot | undefined {
    for (;;) {
      const fifo = (this.o.idleOrder === 'fifo') !== this.has('idle first in, first out');
      const slot = fifo ? this.idle[0] : this.idle.at(-1);
      if (slot === undefined) return undefined;
      const reason = this.unfit(slot);
      if (reason !== undefined) this.#destroy(slot, reason);
      else if (!this.needsValidation(slot)) return slot;
      else if (!forWaiter || this.count('validating') >= this.waiters.length) return undefined;
      else this.#validate(slot);
    }
  }

  #lend(slot: Slot, waitMs: number, label: string | undefined): ToyLease {
    this.leaveIdle(slot);
    slot.state = 'borrowed';
    slot.uses++;
    this.counts.served++;
    const lease = new ToyLease(this, slot, this.now(), label);
    slot.lease = lease;
    this.emit('acquire', { lease, waitMs });
    return lease;
  }

  // --------------------------------------------------------------------- hooks

  #create(): void {
    const slot: Slot = {
      id: ++this.ids,
      generation: this.generation,
      state: 'creating',
      resource: undefined as never,
      createdAt: this.now(),
      idleSince: 0,
      aliveAt: 0,
      expiresAt: Infinity,
      uses: 0,
      broken: false,
      stop: new AbortController(),
      stopListening: () => {},
      lease: undefined,
    };
    this.slots.add(slot);
    const fail = (error: unknown, code = 'ERR_POOL_CREATE_FAILED'): void => {
      if (slot.state !== 'creating') return;
      this.counts.createErrors++;
      if (this.has('failed create keeps its place') && this.counts.createErrors % 5 === 0) slot.state = 'destroying';
      else this.#gone(slot);
      this.#createFailed(error, code);
    };
    this.limit(slot, this.has('create timeout ignored') ? undefined : this.o.createTimeoutMs, () =>
      fail(new Error('timeout'), 'ERR_POOL_CREATE_TIMEOUT'),
    );
    this.run(
      () => this.o.factory.create({ signal: slot.stop.signal, attempt: this.failures + 1 }),
      (resource) => this.#created(slot, resource),
      fail,
      slot,
    );
  }

  #created(slot: Slot, resource: ScriptedResource): void {
    const now = this.now();
    this.counts.created++;
    const late = slot.state !== 'creating';
    Object.assign(slot, { resource, createdAt: now, idleSince: now, aliveAt: now });
    if (late && !this.has('late resource pooled')) {
      this.slots.add(slot);
      this.#destroy(slot, this.closing === undefined ? 'late' : 'poolClosed');
      return;
    }
    this.failures = 0;
    this.retryAt = -Infinity;
    this.slots.add(slot);
    slot.expiresAt = now + (this.o.maxLifetimeMs ?? Infinity);
    slot.stopListening = this.o.factory.onLost?.(resource, () => this.#lost(slot)) ?? slot.stopListening;
    if (slot.expiresAt !== Infinity) this.timers.arm(slot, slot.expiresAt, () => this.#aged(slot));
    const closing = this.closing !== undefined && !this.has('late create after close pooled');
    const outdated = slot.generation !== this.generation;
    if (closing || outdated || this.staying() > this.max || (this.has('late create dropped') && this.waiters.length === 0)) {
      slot.state = 'idle';
      this.#destroy(slot, closing ? 'poolClosed' : outdated ? 'evicted' : 'overSize');
    } else {
      this.#toIdle(slot);
    }
    this.#dispatch();
  }

  #createFailed(error: unknown, code: string): void {
    this.lastError = error;
    const retry = this.o.createRetry === false ? {} : (this.o.createRetry ?? {});
    const step = this.has('backoff never grows') ? 0 : this.failures;
    const delay = Math.min(retry.maxDelayMs ?? 5000, (retry.initialDelayMs ?? 100) * (retry.factor ?? 2) ** step);
    if (this.retryAt <= this.now()) {
      this.failures++;
      this.retryAt = this.has('storm after a failure') ? -Infinity : this.now() + delay;
    }
    const permanent = this.o.factory.classify?.(error) === 'permanent' && !this.has('retries permanent failures');
    if (permanent || this.o.createRetry === false) {
      const head = this.waiters[0];
      const backed = this.count('creating') + this.count('validating');
      if (head !== undefined && this.waiters.length > backed) this.#fail(head, 'rejected', new ToyError(code, error));
    }
    if (!this.has('orphans when creates fail')) this.#dispatch();
  }

  #validate(slot: Slot): void {
    this.leaveIdle(slot);
    slot.state = 'validating';
    const done = (alive: boolean): void => {
      if (slot.state !== 'validating') return;
      this.timers.cancel(slot.stop);
      slot.aliveAt = this.now();
      if (alive) this.#toIdle(slot);
      else this.#destroy(slot, 'invalid');
      if (!alive && this.has('backs off between stale ones')) this.timers.arm('stale', this.now() + 50, () => this.#dispatch());
      else this.#dispatch();
    };
    slot.stop = new AbortController();
    this.limit(slot, this.has('validation has no deadline') ? undefined : this.o.validateTimeoutMs, () => done(false));
    const context = { ...this.infoOf(slot), signal: slot.stop.signal };
    this.run(
      () => this.o.factory.validate!(slot.resource, context),
      (alive) => done(alive !== false),
      () => done(false),
      slot,
    );
  }

  #reset(slot: Slot): void {
    slot.state = 'resetting';
    const done = (clean: boolean): void => {
      if (slot.state !== 'resetting') return;
      const reason = clean || this.has('reset failure ignored') ? this.unfitToReturn(slot) : 'resetFailed';
      if (reason === undefined) this.#toIdle(slot);
      else this.#destroy(slot, reason);
      this.#dispatch();
    };
    slot.stop = new AbortController();
    this.limit(slot, this.o.resetTimeoutMs, () => done(false));
    const context = { ...this.infoOf(slot), signal: slot.stop.signal };
    if (this.has('reset after serving')) done(true);
    this.run(
      () => this.o.factory.reset!(slot.resource, context),
      () => done(true),
      () => done(false),
      slot,
    );
  }

  #destroy(slot: Slot, reason: DestroyReason): void {
    this.leaveIdle(slot);
    this.timers.cancel(slot);
    this.timers.cancel(slot.stop);
    if (slot.state === 'validating' || slot.state === 'resetting') slot.stop.abort(new Error('given up'));
    if (!this.has('dead listeners stay')) slot.stopListening();
    slot.state = 'destroying';
    const stop = new AbortController();
    const done = (): void => {
      if (slot.state !== 'destroying') return;
      this.timers.cancel(stop);
      this.destroyed[reason] = (this.destroyed[reason] ?? 0) + 1;
      this.#gone(slot);
      this.#endIfEmpty();
      const forgotten =
        (this.has('destroyed lease is not replaced') && reason === 'leaseDestroyed') ||
        (this.has('evicted return wakes nobody') && reason === 'evicted') ||
        (this.has('backs off between stale ones') && reason === 'invalid');
      if (!forgotten) this.#dispatch();
    };
    const timeoutMs = this.o.destroyTimeoutMs ?? 5000;
    if (timeoutMs !== Infinity && !this.has('destroy timeout ignored')) {
      this.timers.arm(stop, this.now() + timeoutMs, () => {
        this.counts.destroyTimeouts++;
        stop.abort(new Error('took too long'));
        done();
      });
    }
    this.run(() => this.o.factory.destroy(slot.resource, { reason, signal: stop.signal }), done, done);
  }

  // ----------------------------------------------------------------- lifecycle

  #toIdle(slot: Slot): void {
    slot.state = 'idle';
    const before = this.idle.findIndex((other) => other.idleSince > slot.idleSince);
    this.idle.splice(before === -1 ? this.idle.length : before, 0, slot);
    const { idleTimeoutMs = 600_000 } = this.o;
    if (idleTimeoutMs !== Infinity && !this.timers.has('idle'))
      this.timers.arm('idle', slot.idleSince + idleTimeoutMs, () => this.#sweep(idleTimeoutMs));
  }

  #sweep(idleTimeoutMs: number): void {
    const spare = (): boolean => this.has('idle goes below min') || this.staying() - this.count('creating') > this.min;
    const due = (): Slot | undefined => (this.has('idle takes the newest') ? this.idle.at(-1) : this.idle[0]);
    for (let slot = due(); slot !== undefined && slot.idleSince + idleTimeoutMs <= this.now() && spare(); slot = due())
      this.#destroy(slot, 'idleTimeout');
    const next = this.idle[0];
    if (next !== undefined)
      this.timers.arm('idle', Math.max(next.idleSince + idleTimeoutMs, this.now() + 1), () => this.#sweep(idleTimeoutMs));
    this.#dispatch();
  }

  #aged(slot: Slot): void {
    if (slot.state === 'idle') this.#destroy(slot, 'maxLifetime');
    else if (this.has('age cuts leases') && slot.lease !== undefined) this.end(slot.lease, 'maxLifetime');
    this.#dispatch();
  }

  #lost(slot: Slot): void {
    if (slot.broken || slot.state === 'destroying' || slot.state === 'gone') return;
    if (!this.has('lost twice is destroyed twice')) slot.broken = true;
    if (slot.state === 'borrowed' && !this.has('lost twice is destroyed twice')) return;
    if (!this.has('lost idle stays')) this.#destroy(slot, 'broken');
    this.#dispatch();
  }

  #closeNow(): void {
    for (const slot of [...this.slots]) {
      if (slot.lease !== undefined) {
        const { label, since } = slot.lease;
        this.abandoned.push({ ...(label === undefined ? {} : { label }), heldMs: this.now() - since });
        this.end(slot.lease, 'poolClosed');
      } else if (slot.state === 'creating') {
        this.#gone(slot);
      }
    }
    this.#endIfEmpty();
  }

  #endIfEmpty(): void {
    if (this.closing === undefined || this.closed === undefined) return;
    if (this.slots.size > 0 && !(this.has('close does not wait for destroys') && this.count('borrowed') === 0)) return;
    const resolve = this.closed;
    this.closed = undefined;
    for (const key of this.timers.keys()) if (!this.has('close leaves timers')) this.timers.cancel(key);
    resolve({ abandoned: this.abandoned });
  }

  #gone(slot: Slot): void {
    this.timers.cancel(slot);
    if (slot.state !== 'creating') this.timers.cancel(slot.stop);
    if (!this.has('dead listeners stay')) slot.stopListening();
    slot.state = 'gone';
    this.slots.delete(slot);
    this.#endIfEmpty();
  }

  // ------------------------------------------------------------------- waiters

  #expire(waiter: Waiter): void {
    this.#fail(waiter, 'timedOut', new ToyError('ERR_POOL_ACQUIRE_TIMEOUT', this.lastError));
  }

  #fail(waiter: Waiter, kind: 'timedOut' | 'rejected', error: ToyError): void {
    this.counts[kind]++;
    this.#drop(waiter);
    waiter.reject(error);
  }

  #drop(waiter: Waiter): void {
    waiter.clean();
    this.counts.waitMs += this.now() - waiter.since;
    const at = this.waiters.indexOf(waiter);
    if (at >= 0) this.waiters.splice(at, 1);
  }

  #refuse(code: string): Promise<never> {
    this.counts.rejected++;
    return Promise.reject(new ToyError(code));
  }
}
