// A factory that does what a test tells it to, and keeps count of everything a pool does with it.
//
// It is also a witness: it knows every resource it has made and notices on its own what no pool may do (destroy one twice, touch one
// after its destruction, run two hooks on one at the same time). `violations` lists that; `checkInvariants` fails on it.

import type { Clock, DestroyReason, Factory, ResourceInfo } from '../index.ts';
import { HookScript } from './script.ts';

/** What a {@link ScriptedFactory} makes unless told otherwise: `r1`, `r2`, ... in the order in which creates succeed. */
export interface ScriptedResource {
  readonly id: number;
  readonly name: string;
}

type Signalled = { readonly signal: AbortSignal };
export type CreateContext = Signalled & { readonly attempt: number };
export type DestroyContext = Signalled & { readonly reason: DestroyReason };
export type CheckContext = ResourceInfo & Signalled;
export type HookName = 'create' | 'destroy' | 'validate' | 'reset' | 'isBroken' | 'onLost';

export interface ScriptedFactoryOptions<T> {
  /** Makes the n-th resource, from 1. Default: `{ id: n, name: 'r' + n }`. Each must be a value of its own. */
  readonly make?: (n: number) => T;
  /** Needed for behaviours with `afterMs`. */
  readonly clock?: Clock;
  /** Does the factory have this hook at all? Defaults: all but `reset`. */
  readonly validate?: boolean;
  readonly reset?: boolean;
  readonly isBroken?: boolean;
  readonly onLost?: boolean;
  /** Default: none, so the pool takes every error for transient. */
  readonly classify?: (error: unknown) => 'transient' | 'permanent';
}

/** What the factory remembers of one resource. */
interface Known<T> {
  readonly resource: T;
  /** Its create was given up (signal aborted) before it arrived. */
  readonly stray: boolean;
  destroys: number;
  destroyed: boolean;
  reason: DestroyReason | undefined;
  destroySignal: AbortSignal | undefined;
  /** Signals of the hooks that run on it now. */
  readonly running: Map<object, { readonly hook: HookName; readonly signal: AbortSignal }>;
  readonly listeners: Set<(cause?: unknown) => void>;
}

export class ScriptedFactory<T = ScriptedResource> implements Factory<T> {
  /** What each hook does, and its calls. */
  readonly script: {
    readonly create: HookScript<T, CreateContext, T>;
    readonly destroy: HookScript<T, DestroyContext, void>;
    readonly validate: HookScript<T, CheckContext, boolean>;
    readonly reset: HookScript<T, CheckContext, void>;
  };
  /** Resources in here answer `isBroken` with true. */
  readonly broken: Set<T> = new Set();
  /** Every resource made so far, destroyed ones included: `resources[0]` is r1. */
  readonly resources: T[] = [];
  /** What a pool did that no pool may do. */
  readonly violations: string[] = [];
  /** The most resources alive at once. */
  maxLive = 0;
  /** The most resources alive and creates running at once, those given up aside: what `max` must bound. */
  maxFootprint = 0;

  readonly create: (context: CreateContext) => Promise<T> | T;
  readonly destroy: (resource: T, context: DestroyContext) => Promise<void> | void;
  // Declared only, so that a hook that the options leave out is not there at all.
  declare readonly validate?: (resource: T, context: CheckContext) => Promise<boolean> | boolean;
  declare readonly reset?: (resource: T, context: CheckContext) => Promise<void> | void;
  declare readonly isBroken?: (resource: T) => boolean;
  declare readonly onLost?: (resource: T, listener: (cause?: unknown) => void) => () => void;
  declare readonly classify?: (error: unknown) => 'transient' | 'permanent';

  #live = 0;
  readonly #records = new Map<T, Known<T>>();
  /** Those whose destroy has not settled. */
  readonly #present = new Set<Known<T>>();
  /** Those that are gone and still listened to. */
  readonly #heard = new Set<Known<T>>();
  readonly #observers = new Set<(hook: HookName, resource: T | undefined) => void>();

  constructor(options: ScriptedFactoryOptions<T> = {}) {
    const clock = options.clock;
    const make = options.make ?? ((n: number) => ({ id: n, name: `r${n}`, toString: () => `r${n}` }) as T);
    const nothing = (): void => {};
    this.script = {
      create: new HookScript('create', 'ok', {
        clock,
        value: () => make(this.resources.length + 1),
        settled: (call, resource) => this.#arrived(call.context, call.state === 'ok', resource),
      }),
      destroy: new HookScript('destroy', 'ok', { clock, value: nothing, settled: (call) => this.#gone(call.resource as T) }),
      validate: new HookScript('validate', 'ok', { clock, value: () => true, settled: (call) => this.#ended(call) }),
      reset: new HookScript('reset', 'ok', { clock, value: nothing, settled: (call) => this.#ended(call) }),
    };
    this.create = (context) => this.#create(context);
    this.destroy = (resource, context) => this.#destroy(resource, context);
    if (options.validate ?? true) this.validate = (resource, context) => this.#check('validate', resource, context);
    if (options.reset ?? false) this.reset = (resource, context) => this.#check('reset', resource, context);
    if (options.isBroken ?? true) this.isBroken = (resource) => this.#isBroken(resource);
    if (options.onLost ?? true) this.onLost = (resource, listener) => this.#onLost(resource, listener);
    if (options.classify !== undefined) this.classify = options.classify;
  }

  /** True: creates succeed at once. False: the test settles them through {@link pending}. */
  get auto(): boolean {
    return this.script.create.behaviour === 'ok';
  }

  set auto(on: boolean) {
    this.script.create.does(on ? 'ok' : 'manual');
  }

  /** Creates that the test has not settled, the oldest first. */
  get pending(): HookScript<T, CreateContext, T>['pending'] {
    return this.script.create.pending;
  }

  /** From now on every create fails with this error; {@link auto} ends it. */
  failCreates(error: unknown): void {
    this.script.create.does({ rejects: error });
  }

  /** How often the hook was called. */
  get creates(): number {
    return this.script.create.count;
  }

  get destroys(): number {
    return this.script.destroy.count;
  }

  get validates(): number {
    return this.script.validate.count;
  }

  get resets(): number {
    return this.script.reset.count;
  }

  /** Resources created whose destroy has not settled. */
  get live(): number {
    return this.#live;
  }

  get maxConcurrentCreates(): number {
    return this.script.create.maxConcurrent;
  }

  /** How often the pool destroyed it: 0, or 1. */
  destroyed(resource: T): number {
    return this.#records.get(resource)?.destroys ?? 0;
  }

  /** Why the pool destroyed it. */
  reason(resource: T): DestroyReason | undefined {
    return this.#records.get(resource)?.reason;
  }

  /** How many listeners wait to hear that it died. */
  listening(resource: T): number {
    return this.#records.get(resource)?.listeners.size ?? 0;
  }

  /** Resources made and not destroyed (nor being destroyed), the oldest first. */
  alive(): T[] {
    return [...this.#present].filter((record) => record.destroys === 0).map((record) => record.resource);
  }

  /** The resource dies: whoever listens hears of it, and `isBroken` says so. Returns how many listened. */
  lost(resource: T, cause?: unknown): number {
    this.broken.add(resource);
    const listeners = [...(this.#records.get(resource)?.listeners ?? [])];
    for (const listener of listeners) listener(cause);
    return listeners.length;
  }

  /** Calls `observer` at the start of every call of a hook. Returns the function that ends it. */
  observe(observer: (hook: HookName, resource: T | undefined) => void): () => void {
    this.#observers.add(observer);
    return () => {
      this.#observers.delete(observer);
    };
  }

  /**
   * How many resources and creates a pool has to count. `certain`: those nobody gave up. `doubtful`: creates that were given up and
   * run on, what came of such, and destroys that were given up and run on; a pool may count them or not.
   */
  footprint(): { readonly certain: number; readonly doubtful: number } {
    let certain = 0;
    let doubtful = 0;
    for (const call of this.pending) {
      if (call.context.signal.aborted) doubtful++;
      else certain++;
    }
    for (const record of this.#present) {
      if (record.stray || record.destroySignal?.aborted === true) doubtful++;
      else certain++;
    }
    return { certain, doubtful };
  }

  /** Resources that are gone and that somebody still listens to: a leak of listeners. */
  stillListenedTo(): T[] {
    return [...this.#heard].map((record) => record.resource);
  }

  #create(context: CreateContext): Promise<T> | T {
    this.#observed('create', undefined);
    try {
      return this.script.create.call(undefined, context);
    } finally {
      this.maxFootprint = Math.max(this.maxFootprint, this.footprint().certain);
    }
  }

  #arrived(context: CreateContext, ok: boolean, resource: T | undefined): void {
    if (!ok) return;
    const made = resource as T;
    if (this.#records.has(made)) throw new Error('ScriptedFactory: every resource must be a value of its own');
    this.resources.push(made);
    const record: Known<T> = {
      resource: made,
      stray: context.signal.aborted,
      destroys: 0,
      destroyed: false,
      reason: undefined,
      destroySignal: undefined,
      running: new Map(),
      listeners: new Set(),
    };
    this.#records.set(made, record);
    this.#present.add(record);
    this.#live++;
    this.maxLive = Math.max(this.maxLive, this.#live);
  }

  #destroy(resource: T, context: DestroyContext): Promise<void> | void {
    this.#observed('destroy', resource);
    const record = this.#known('destroy', resource);
    if (record !== undefined) {
      if (record.destroys > 0) this.violations.push(`${String(resource)} was destroyed twice: ${record.reason}, then ${context.reason}`);
      this.#alone('destroy', record);
      record.destroys++;
      record.reason = context.reason;
      record.destroySignal = context.signal;
    }
    return this.script.destroy.call(resource, context);
  }

  #gone(resource: T): void {
    const record = this.#records.get(resource);
    if (record === undefined || record.destroyed) return;
    record.destroyed = true;
    this.#present.delete(record);
    if (record.listeners.size > 0) this.#heard.add(record);
    this.#live--;
  }

  #check<R extends boolean | void>(hook: 'validate' | 'reset', resource: T, context: CheckContext): Promise<R> | R {
    this.#observed(hook, resource);
    const record = this.#known(hook, resource);
    if (record !== undefined) {
      this.#untouched(hook, record);
      this.#alone(hook, record);
      record.running.set(context, { hook, signal: context.signal });
    }
    return this.script[hook].call(resource, context) as Promise<R> | R;
  }

  #ended(call: { readonly resource: T | undefined; readonly context: CheckContext }): void {
    this.#records.get(call.resource as T)?.running.delete(call.context);
  }

  #isBroken(resource: T): boolean {
    this.#observed('isBroken', resource);
    const record = this.#known('isBroken', resource);
    if (record !== undefined) this.#untouched('isBroken', record);
    return this.broken.has(resource);
  }

  #onLost(resource: T, listener: (cause?: unknown) => void): () => void {
    this.#observed('onLost', resource);
    const record = this.#known('onLost', resource);
    if (record === undefined) return () => {};
    this.#untouched('onLost', record);
    record.listeners.add(listener);
    return () => {
      record.listeners.delete(listener);
      if (record.listeners.size === 0) this.#heard.delete(record);
    };
  }

  #observed(hook: HookName, resource: T | undefined): void {
    for (const observer of this.#observers) observer(hook, resource);
  }

  #known(hook: HookName, resource: T): Known<T> | undefined {
    const record = this.#records.get(resource);
    if (record === undefined) this.violations.push(`${hook} of ${String(resource)}, which this factory never made`);
    return record;
  }

  #untouched(hook: HookName, record: Known<T>): void {
    if (record.destroys > 0) this.violations.push(`${hook} of ${String(record.resource)} after its destroy`);
  }

  /** A hook that was given up (its signal aborted) may run on beside the next one; no other may. */
  #alone(hook: HookName, record: Known<T>): void {
    for (const other of record.running.values()) {
      if (!other.signal.aborted) this.violations.push(`${hook} of ${String(record.resource)} while its ${other.hook} was running`);
    }
  }
}

