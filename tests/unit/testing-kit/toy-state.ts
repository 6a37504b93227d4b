// What the toy pool knows, and what it concludes from that.

import { AsyncResource } from 'node:async_hooks';
import type { CloseResult, DestroyReason, PoolEvents, PoolOptions, PoolState, PoolStats, ResourceInfo } from 'millpond';
import type { ScriptedResource } from 'millpond/testing';
import { newCounts, NOTHING_DESTROYED, Timers, type Fault, type Slot, type Waiter } from './toy-parts.ts';

export abstract class ToyState {
  protected readonly o: PoolOptions<ScriptedResource>;
  protected readonly fault: Fault | undefined;
  protected readonly slots = new Set<Slot>();
  /** From least to most recently given back. */
  protected readonly idle: Slot[] = [];
  protected readonly waiters: Waiter[] = [];
  protected readonly listeners = new Map<string, Set<(event: never) => void>>();
  protected readonly timers: Timers;
  protected readonly counts = newCounts();
  protected readonly destroyed: Partial<Record<DestroyReason, number>> = {};
  protected readonly scope = new AsyncResource('ToyPool');
  protected min: number;
  protected max: number;
  protected ids = 0;
  protected generation = 1;
  protected failures = 0;
  protected retryAt = -Infinity;
  protected lastError: unknown;
  protected paused: false | 'hold' | 'reject' = false;
  protected closing: Promise<CloseResult> | undefined;
  protected closed: ((result: CloseResult) => void) | undefined;
  protected abandoned: CloseResult['abandoned'][number][] = [];
  protected busy = false;
  constructor(options: PoolOptions<ScriptedResource>, fault: Fault | undefined) {
    this.o = options;
    this.timers = new Timers(options.clock!);
    this.fault = fault;
    this.min = options.min ?? 0;
    this.max = options.max ?? 10;
  }

  has(fault: Fault): boolean {
    return this.fault === fault;
  }

  get state(): PoolState {
    if (this.closing !== undefined) return this.slots.size > 0 && this.closed !== undefined ? 'draining' : 'closed';
    return this.paused === false ? 'open' : 'paused';
  }

  on<K extends keyof PoolEvents<ScriptedResource>>(name: K, listener: (event: PoolEvents<ScriptedResource>[K]) => void): () => void {
    const listeners = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  stats(): PoolStats {
    const count = (state: Slot['state']): number => this.count(state);
    const drift = this.has('stats drift') && this.counts.created > 0 ? 1 : 0;
    return {
      name: 'toy',
      state: this.state,
      min: this.min,
      max: this.max,
      size: this.slots.size + drift,
      idle: count('idle'),
      borrowed: count('borrowed'),
      creating: count('creating'),
      validating: count('validating'),
      resetting: count('resetting'),
      destroying: count('destroying'),
      waiting: this.waiters.length,
      generation: this.generation,
      totals: { ...this.counts, destroyed: { ...NOTHING_DESTROYED, ...this.destroyed } },
    };
  }

  infoOf(slot: Slot): ResourceInfo {
    const now = this.now();
    return {
      id: slot.id,
      ageMs: now - slot.createdAt,
      idleMs: slot.state === 'idle' ? now - slot.idleSince : 0,
      uses: slot.uses,
      generation: slot.generation,
    };
  }

  protected needsValidation(slot: Slot): boolean {
    if (this.o.factory.validate === undefined || this.has('never validates')) return false;
    if (this.has('validates the fresh')) return slot.aliveAt !== -1 && this.now() - slot.createdAt > (this.o.validateAfterIdleMs ?? 500);
    return this.now() - slot.aliveAt > (this.o.validateAfterIdleMs ?? 500);
  }

  protected wanted(later = false): number {
    const held = !later && this.now() < this.retryAt;
    const waiting = held && this.o.createRetry !== false ? 0 : this.waiters.length;
    const served = this.count('validating') + this.idle.length;
    const alive = this.slots.size - this.count('creating') - this.count('destroying');
    const missing = held || (this.has('min never refilled') && this.counts.created >= this.min) ? 0 : Math.min(this.min, this.max) - alive;
    const running = [...this.slots].filter((slot) => slot.state === 'creating' && slot.generation === this.generation).length;
    const extra = this.has('creates without demand') && this.counts.created > 0 ? 1 : 0;
    return Math.max(waiting - served, missing) + extra - running;
  }

  protected counted(): number {
    return this.slots.size - ((this.o.strictMax ?? true) && !this.has('closing does not count') ? 0 : this.count('destroying'));
  }

  protected staying(): number {
    return this.slots.size - this.count('destroying');
  }

  protected unfit(slot: Slot): DestroyReason | undefined {
    if (slot.broken || (this.o.factory.isBroken?.(slot.resource) === true && !this.has('broken is pooled'))) return 'broken';
    if (slot.generation !== this.generation) return 'evicted';
    return slot.expiresAt <= this.now() ? 'maxLifetime' : undefined;
  }

  protected unfitToReturn(slot: Slot): DestroyReason | undefined {
    if (this.closing !== undefined) return 'poolClosed';
    const reason = this.unfit(slot);
    if (reason !== undefined) return reason;
    if (slot.uses >= (this.o.maxUses ?? Infinity) + Number(this.has('maxUses off by one'))) return 'maxUses';
    return this.staying() > this.max ? 'overSize' : undefined;
  }

  /** Runs a hook; `slot`: whose running hook it is, to be timed. */
  protected run<R>(hook: () => R | Promise<R>, ok: (value: R) => void, failed: (error: unknown) => void, slot?: Slot): void {
    const stop = slot?.stop;
    const finish =
      <V>(then: (value: V) => void) =>
      (value: V): void => {
        if (stop !== undefined) this.timers.cancel(stop);
        then(value);
      };
    let result: R | Promise<R>;
    try {
      result = this.scope.runInAsyncScope(hook);
    } catch (error) {
      if (this.has('hook throws escape')) throw error;
      finish(failed)(error);
      return;
    }
    if (result instanceof Promise) result.then(finish(ok), finish(failed));
    else finish(ok)(result);
  }

  protected limit(slot: Slot, timeoutMs: number | undefined, onTimeout: () => void): void {
    if (timeoutMs === undefined || timeoutMs === Infinity) return;
    const { stop } = slot;
    this.timers.arm(stop, this.now() + timeoutMs, () => {
      stop.abort(new Error('took too long'));
      onTimeout();
    });
  }

  protected leaveIdle(slot: Slot): void {
    const at = this.idle.indexOf(slot);
    if (at >= 0) this.idle.splice(at, 1);
  }

  protected count(state: Slot['state']): number {
    let sum = 0;
    for (const slot of this.slots) if (slot.state === state) sum++;
    return sum;
  }

  protected emit<K extends keyof PoolEvents<ScriptedResource>>(name: K, event: PoolEvents<ScriptedResource>[K]): void {
    for (const listener of [...(this.listeners.get(name) ?? [])]) listener(event as never);
  }

  protected now(): number {
    return this.o.clock!.now();
  }
}
