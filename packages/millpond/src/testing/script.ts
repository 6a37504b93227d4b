// One hook of a scripted factory: what it shall do when it is called, and what it was called with.

import type { Clock } from '../index.ts';

/**
 * What a scripted hook does when it is called:
 * - `'ok'`: succeeds, by a promise.
 * - `'sync'`: succeeds by a plain return value.
 * - `'manual'`: returns a promise that the test settles (`pending[0].ok()`, `.fail(error)`), or never.
 * - `{ rejects }`: returns a promise that rejects. `{ throws }`: throws before it returns anything.
 * - `{ afterMs }`: succeeds after that time on the clock of the factory; with `rejects`, fails then.
 * - a function: whatever it returns or throws. Returning `undefined` means the value that `'ok'` would have.
 */
export type Behaviour<T, C, R> =
  | 'ok' | 'sync' | 'manual'
  | { readonly rejects: unknown }
  | { readonly throws: unknown }
  | { readonly afterMs: number; readonly rejects?: unknown }
  | ((call: HookCall<T, C, R>) => R | Promise<R> | undefined);

/** One call of a hook. */
export interface HookCall<T, C, R> {
  /** Which call of this hook it was, from 0. */
  readonly index: number;
  /** What it was called for; of a create, what it has yielded. */
  readonly resource: T | undefined;
  /** The second argument, of a create the only one. */
  readonly context: C;
  /** A failure may be any value, so the state says whether there was one. */
  readonly state: 'pending' | 'ok' | 'failed';
  /** Settles a `'manual'` call. Later calls do nothing, as with any promise. */
  ok(value?: R): void;
  fail(error?: unknown): void;
}

/** How the owner of a script takes part in its calls. */
interface ScriptPorts<T, C, R> {
  readonly clock: Clock | undefined;
  /** What a call yields when the script names no value. */
  value(call: HookCall<T, C, R>): R;
  settled(call: HookCall<T, C, R>, value: R | undefined): void;
}

export class HookScript<T, C, R> {
  /** Every call so far, the oldest first. */
  readonly calls: HookCall<T, C, R>[] = [];
  /** What calls do for which nothing is planned. */
  behaviour: Behaviour<T, C, R>;
  /** The most calls that ever ran at once. */
  maxConcurrent = 0;
  readonly #name: string;
  readonly #ports: ScriptPorts<T, C, R>;
  readonly #planned: Behaviour<T, C, R>[] = [];
  readonly #pending = new Set<HookCall<T, C, R>>();

  /** @internal Made by the factory. */
  constructor(name: string, behaviour: Behaviour<T, C, R>, ports: ScriptPorts<T, C, R>) {
    this.#name = name;
    this.behaviour = behaviour;
    this.#ports = ports;
  }

  /** How often the hook was called. */
  get count(): number {
    return this.calls.length;
  }

  /** The calls that have not settled, the oldest first. Settling one takes it out. */
  get pending(): readonly HookCall<T, C, R>[] {
    return [...this.#pending];
  }

  /** From now on every call does this. */
  does(behaviour: Behaviour<T, C, R>): this {
    this.behaviour = behaviour;
    return this;
  }

  /** The next calls do this, one after the other; afterwards again what {@link does} says. */
  next(...behaviours: Behaviour<T, C, R>[]): this {
    this.#planned.push(...behaviours);
    return this;
  }

  /** @internal The factory calls this when the pool calls the hook. */
  call(resource: T | undefined, context: C): R | Promise<R> {
    const call = new Call<T, C, R>(this.calls.length, resource, context);
    this.calls.push(call);
    const mayGoOn = stir(this.#ports.clock);
    this.#pending.add(call);
    this.maxConcurrent = Math.max(this.maxConcurrent, this.#pending.size);
    call.onSettle = (value) => {
      this.#pending.delete(call);
      stir(this.#ports.clock);
      this.#ports.settled(call, value);
    };
    call.defaultValue = () => this.#ports.value(call);
    // A pool that calls its hooks in circles is stopped by one that never answers; the clock reports it.
    if (!mayGoOn) return call.promise();
    return this.#run(call, this.#planned.shift() ?? this.behaviour);
  }

  #run(call: Call<T, C, R>, behaviour: Behaviour<T, C, R>): R | Promise<R> {
    if (behaviour === 'sync') return call.succeed();
    // By a promise means later, if only by a microtask: until then the call is pending, as a real one would be.
    if (behaviour === 'ok') queueMicrotask(() => call.ok());
    else if (behaviour === 'manual') void 0; // the test settles it
    else if (typeof behaviour === 'function') return this.#runFunction(call, behaviour);
    else if ('throws' in behaviour) {
      call.fail(behaviour.throws);
      throw behaviour.throws;
    } else if ('afterMs' in behaviour) this.#settleLater(call, behaviour);
    else queueMicrotask(() => call.fail(behaviour.rejects));
    return call.promise();
  }

  #runFunction(call: Call<T, C, R>, behaviour: (call: HookCall<T, C, R>) => R | Promise<R> | undefined): R | Promise<R> {
    let returned: R | Promise<R> | undefined;
    try {
      returned = behaviour(call);
    } catch (error) {
      call.fail(error);
      throw error;
    }
    if (returned === undefined) return call.succeed();
    if (!isThenable(returned)) return call.succeed(returned);
    return returned.then(
      (value) => call.succeed(value),
      (error: unknown) => {
        call.fail(error);
        throw error;
      },
    );
  }

  #settleLater(call: Call<T, C, R>, behaviour: { readonly afterMs: number; readonly rejects?: unknown }): void {
    const clock = this.#ports.clock;
    if (clock === undefined) throw new Error(`ScriptedFactory: ${this.#name} with afterMs needs the option clock`);
    clock.schedule(clock.now() + behaviour.afterMs, () => {
      if ('rejects' in behaviour) call.fail(behaviour.rejects);
      else call.ok();
    });
  }
}

/** A virtual clock waits for what follows from this. */
function stir(clock: (Clock & { stir?(): boolean }) | undefined): boolean {
  return clock?.stir?.() ?? true;
}

class Call<T, C, R> implements HookCall<T, C, R> {
  resource: T | undefined;
  state: 'pending' | 'ok' | 'failed' = 'pending';
  readonly index: number;
  readonly context: C;
  onSettle: (value: R | undefined) => void = () => {};
  defaultValue: () => R = () => undefined as R;
  #value: R | undefined;
  #error: unknown;
  #promise: Promise<R> | undefined;
  #resolve: (value: R) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(index: number, resource: T | undefined, context: C) {
    this.index = index;
    this.resource = resource;
    this.context = context;
  }

  ok(value?: R): void {
    if (this.state === 'pending') this.succeed(value);
  }

  fail(...given: [error?: unknown]): void {
    if (this.state !== 'pending') return;
    // `fail(undefined)` rejects with undefined, as a careless driver may.
    const error = given.length > 0 ? given[0] : new Error('scripted failure');
    this.state = 'failed';
    this.#error = error;
    this.onSettle(undefined);
    this.#reject(error);
  }

  succeed(value: R = this.defaultValue()): R {
    if (this.state !== 'pending') return this.#value as R;
    this.state = 'ok';
    this.#value = value;
    this.onSettle(value);
    this.#resolve(value);
    return value;
  }

  /** Made only when a hook returns it: a promise that rejects with nobody listening would be reported by Node. */
  promise(): Promise<R> {
    this.#promise ??= new Promise<R>((resolve, reject) => {
      if (this.state === 'ok') resolve(this.#value as R);
      else if (this.state === 'failed') reject(this.#error);
      else {
        this.#resolve = resolve;
        this.#reject = reject;
      }
    });
    return this.#promise;
  }
}

function isThenable<R>(value: R | Promise<R>): value is Promise<R> {
  return typeof (value as { then?: unknown } | null)?.then === 'function';
}
