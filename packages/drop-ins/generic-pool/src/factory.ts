// The functions that generic-pool is given, as a factory of the engine.

import type { Factory as EngineFactory } from 'millpond';
import type { Factory } from './options.ts';

export interface Reports {
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
  readonly reset?: (resource: T) => Promise<void>;
  readonly #factory: Factory<T>;
  readonly #reports: Reports;
  readonly #creating = new Set<Promise<unknown>>();
  readonly #testing = new Set<Promise<unknown>>();
  readonly #destroying = new Set<Promise<unknown>>();

  constructor(factory: Factory<T>, { testOnBorrow, testOnReturn }: Tests, reports: Reports) {
    this.#factory = factory;
    this.#reports = reports;
    if (typeof factory.validate !== 'function') return;
    // The engine takes an answer as generic-pool does: all but false is yes.
    if (testOnBorrow) this.validate = (resource) => factory.validate!(resource) as Promise<boolean> | boolean;
    if (testOnReturn) this.reset = (resource) => tracked(this.#testing, this.#testReturned(resource));
  }

  create(): Promise<T> {
    return tracked(this.#creating, call(() => this.#factory.create()));
  }

  destroy(resource: T, { signal }: { readonly signal: AbortSignal }): Promise<void> {
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
    await Promise.allSettled([...this.#creating, ...this.#testing]);
  }

  /** Resolves when the destroys that run now have ended, well or badly. */
  async destroyed(): Promise<void> {
    await Promise.allSettled(this.#destroying);
  }

  async #testReturned(resource: T): Promise<void> {
    if (await this.#factory.validate!(resource) === false) throw new Error('the resource failed its test on return');
  }
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
