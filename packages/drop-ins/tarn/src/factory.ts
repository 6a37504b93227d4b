// The three functions that tarn is given, as a factory of the engine.

import { PoolError, type Factory } from 'millpond';
import { overlong } from './errors.ts';
import { described, type Events } from './events.ts';
import { List, type Linked } from './list.ts';
import type { PoolOptions } from './options.ts';

/** A resource that the engine has. */
interface Known extends Linked<Known> {
  /** Tells the engine that it is of no use. */
  readonly lost: (cause: unknown) => void;
  /** It is being validated. */
  running: boolean;
}

export class TarnFactory<T> implements Factory<T> {
  /** Undefined without one to ask: then there is nothing to wait for. */
  readonly validate?: (resource: T) => Promise<boolean> | boolean;
  readonly #options: PoolOptions<T>;
  readonly #events: Events;
  readonly #onDestroy: (resource: T) => void;
  readonly #known = new Map<T, Known>();
  /** What is being validated, oldest first. */
  readonly #running = new List<Known>();

  constructor(options: PoolOptions<T>, events: Events, onDestroy: (resource: T) => void) {
    this.#options = options;
    this.#events = events;
    this.#onDestroy = onDestroy;
    if (typeof options.validate === 'function') this.validate = (resource) => this.#validated(resource);
  }

  async create({ signal }: { readonly signal: AbortSignal }): Promise<T> {
    const events = this.#events;
    const id = events.nextId();
    events.emit('createRequest', id);
    let late = false;
    signal.addEventListener('abort', () => {
      // When the pool merely does not want it any more, it is still created, and then destroyed.
      if (!isOverlong(signal.reason)) return;
      late = true;
      events.emit('createFail', id, overlong(signal.reason));
    }, { once: true });
    try {
      const resource = await created(this.#options);
      if (!late) events.emit('createSuccess', id, resource);
      return resource;
    } catch (error) {
      if (!late) events.emit('createFail', id, error);
      throw error;
    }
  }

  async destroy(resource: T, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    const events = this.#events;
    const id = events.nextId();
    events.emit('destroyRequest', id, resource);
    this.#onDestroy(resource);
    let over = false;
    const failed = (error: unknown): void => {
      if (over) return;
      over = true;
      events.emit('destroyFail', id, resource, error);
      events.log(`Tarn: resource destroyer threw an exception ${described(error)}`, 'warn');
    };
    signal.addEventListener('abort', () => failed(overlong(signal.reason)), { once: true });
    try {
      await this.#options.destroy(resource);
      if (over) return;
      over = true;
      events.emit('destroySuccess', id, resource);
    } catch (error) {
      failed(error);
    }
  }

  onLost(resource: T, listener: (cause?: unknown) => void): () => void {
    const known: Known = { lost: listener, running: false, prev: undefined, next: undefined };
    this.#known.set(resource, known);
    return () => {
      // There may be another that is the same to look at.
      if (this.#known.get(resource) === known) this.#known.delete(resource);
    };
  }

  /** Somebody has stopped waiting for a validation. What it is about has not proved anything: it is destroyed. */
  giveUpValidations(howMany: number): void {
    for (const known of this.#running.toArray().slice(0, howMany)) {
      this.#ended(known);
      this.#refused(new Error('aborted'));
      known.lost(new Error('the validation was aborted'));
    }
  }

  #validated(resource: T): Promise<boolean> | boolean {
    let answer: unknown;
    try {
      answer = this.#options.validate!(resource);
    } catch (error) {
      return this.#refused(error);
    }
    if (typeof (answer as PromiseLike<unknown> | null | undefined)?.then !== 'function') return Boolean(answer);
    const known = this.#known.get(resource);
    if (known?.running === false) {
      known.running = true;
      this.#running.push(known);
    }
    return Promise.resolve(answer).then((valid) => {
      this.#ended(known);
      return Boolean(valid);
    }, (error: unknown) => {
      this.#ended(known);
      return this.#refused(error);
    });
  }

  #ended(known: Known | undefined): void {
    if (known?.running !== true) return;
    known.running = false;
    this.#running.remove(known);
  }

  #refused(error: unknown): false {
    this.#events.log(`Tarn: resource validator threw an exception ${described(error)}`, 'warn');
    return false;
  }
}

function isOverlong(reason: unknown): boolean {
  return PoolError.is(reason) && reason.code === 'ERR_POOL_CREATE_TIMEOUT';
}

/** By promise or by callback, whichever comes first. */
function created<T>(options: PoolOptions<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const answer = options.create((error, resource) => {
      if (error) reject(error);
      else resolve(resource as T);
    });
    // Nothing, now or by promise, means that the callback will be called.
    Promise.resolve(answer).then((resource) => {
      if (resource) resolve(resource as T);
    }, reject);
  });
}
