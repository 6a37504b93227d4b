// The functions that generic-pool is given, as a factory of the engine.

import type { Factory as EngineFactory } from 'millpond';
import type { Factory } from './options.ts';

export interface Reports<T> {
  destroys(resource: T): void;
  destroyFailed(error: unknown): void;
}

interface Tests {
  readonly testOnBorrow: boolean;
  readonly testOnReturn: boolean;
}

/** As generic-pool checks it. */
export function checkFactory(factory: { readonly create?: unknown; readonly destroy?: unknown; readonly validate?: unknown }): void {
  for (const hook of ['create', 'destroy'] as const) {
    if (typeof factory[hook] !== 'function') throw new TypeError(`factory.${hook} must be a function`);
  }
  if (factory.validate !== undefined && typeof factory.validate !== 'function') throw new TypeError('factory.validate must be a function');
}

export class GenericFactory<T> implements EngineFactory<T> {
  readonly validate?: (resource: T) => Promise<boolean> | boolean;
  readonly reset?: (resource: T) => Promise<void> | void;
  readonly #factory: Factory<T>;
  readonly #reports: Reports<T>;
  readonly #creating = new Set<Promise<unknown>>();
  /** The last test on return of each resource; null when it has ended. */
  readonly #tests = new Map<T, Promise<void> | null>();
  readonly #destroying = new Set<Promise<unknown>>();

  constructor(factory: Factory<T>, { testOnBorrow, testOnReturn }: Tests, reports: Reports<T>) {
    this.#factory = factory;
    this.#reports = reports;
    if (typeof factory.validate !== 'function') return;
    // The engine takes an answer as generic-pool does: all but false is yes.
    if (testOnBorrow) this.validate = (resource) => factory.validate!(resource) as Promise<boolean> | boolean;
    if (testOnReturn) this.reset = (resource) => this.#testReturned(resource);
  }

  create(): Promise<T> {
    return tracked(this.#creating, call(() => this.#factory.create()));
  }

  destroy(resource: T, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    this.#tests.delete(resource);
    this.#reports.destroys(resource);
    let over = false;
    const failed = (error: unknown): void => {
      if (!over) this.#reports.destroyFailed(error);
      over = true;
    };
    const gone = call(() => this.#factory.destroy(resource)).then(() => undefined, failed);
    // What is given up is not waited for by anybody.
    const givenUp = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        failed(new Error('destroy timed out', { cause: signal.reason }));
        resolve();
      }, { once: true });
    });
    return tracked(this.#destroying, Promise.race([gone, givenUp]));
  }

  /** Resolves when the creates and the tests of what came back that run now have ended, well or badly. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#creating, ...this.#tests.values()]);
  }

  /** Resolves when the destroys that run now have ended, well or badly. */
  async destroyed(): Promise<void> {
    await Promise.allSettled(this.#destroying);
  }

  #testReturned(resource: T): Promise<void> | void {
    const answer = this.#factory.validate!(resource);
    if (typeof (answer as PromiseLike<boolean> | undefined)?.then !== 'function') return passed(answer as boolean);
    const test = Promise.resolve(answer).then((good) => {
      this.#tested(resource);
      passed(good);
    }, (error: unknown) => {
      this.#tested(resource);
      throw error;
    });
    this.#tests.set(resource, test);
    return test;
  }

  #tested(resource: T): void {
    // Unless it was given up, and the resource with it.
    if (this.#tests.has(resource)) this.#tests.set(resource, null);
  }
}

function passed(good: boolean): void {
  if (good === false) throw new Error('the resource failed its test on return');
}

/** What throws is the same as what rejects. */
async function call<R>(hook: () => PromiseLike<R> | R): Promise<R> {
  return await hook();
}

function tracked<R>(running: Set<Promise<unknown>>, promise: Promise<R>): Promise<R> {
  running.add(promise);
  const end = (): void => void running.delete(promise);
  promise.then(end, end);
  return promise;
}
