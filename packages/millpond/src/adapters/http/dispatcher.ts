// A Dispatcher of undici whose connections are lent by our pools: one pool per origin and TLS name, under limits per origin and over all. A
// dispatch is a lease of a connection (dispatcher-exchange.ts); everything else, from request() to fetch, is built on dispatch by undici.

import type { EventEmitter } from 'node:events';
import type { KeyedPool } from '../../index.ts';
import { Core } from './dispatcher-core.ts';
import { fromResponseHandler, isResponseHandler, type ResponseHandler } from './dispatcher-handlers.ts';
import { dispatcherSettings } from './dispatcher-options.ts';
import type {
  DispatcherOptions, FetchDispatcher, HttpConnection, HttpDispatcher, HttpDispatcherWarmOptions, HttpOrigin, HttpOriginStats,
} from './dispatcher-types.ts';
import { loadUndici, type Dispatch, type Handler, type Undici } from './driver.ts';

type Callback = (error: unknown, data: unknown) => void;

/**
 * Makes a dispatcher: for `dispatcher` of undici's functions and of the global `fetch`, and for undici's `setGlobalDispatcher`. Needs the
 * package undici. Throws {@link InvalidOptionError} for wrong options; connects only when a request, `min` or `warm` asks for it.
 */
export function createDispatcher<D extends object = FetchDispatcher>(options: DispatcherOptions<D> = {}): D & HttpDispatcher {
  const settings = dispatcherSettings(options);
  const undici = loadUndici(options.undici);
  const DispatcherClass = dispatcherClass(undici);
  return new DispatcherClass(new Core(settings, undici)) as unknown as D & HttpDispatcher;
}

const classes = new WeakMap<object, new (core: Core) => EventEmitter>();

/** The class for one copy of undici, whose `instanceof` and interceptors it passes. */
function dispatcherClass(undici: Undici): new (core: Core) => EventEmitter {
  let made = classes.get(undici.Dispatcher);
  if (made === undefined) {
    made = makeClass(undici);
    classes.set(undici.Dispatcher, made);
  }
  return made;
}

function makeClass({ Dispatcher, errors }: Undici): new (core: Core) => EventEmitter {
  return class MillpondDispatcher extends Dispatcher implements HttpDispatcher {
    readonly #core: Core;

    constructor(core: Core) {
      super();
      core.owner = this;
      this.#core = core;
    }

    get pools(): KeyedPool<HttpOrigin, HttpConnection> {
      return this.#core.pools;
    }

    get closed(): boolean {
      return this.#core.closed;
    }

    get destroyed(): boolean {
      return this.#core.destroyed;
    }

    get stats(): Record<string, HttpOriginStats> {
      return this.#core.stats();
    }

    /** Calls the handler with what comes of the request. True: the next request would not have to wait; else `drain` follows. */
    dispatch(options: Dispatch, handler: Handler | ResponseHandler): boolean {
      if (typeof handler !== 'object' || handler === null) throw new errors.InvalidArgumentError('handler must be an object');
      const plain = isResponseHandler(handler) ? fromResponseHandler(handler) : handler;
      try {
        return this.#core.start(options, plain);
      } catch (error) {
        if (typeof plain.onError !== 'function') throw error;
        plain.onError(error);
        return false;
      }
    }

    warm(origin: string | URL, options?: HttpDispatcherWarmOptions): Promise<void> {
      return this.#core.warm(origin, options);
    }

    /** Takes no more requests; done when those that were taken have been answered and all connections are closed. */
    close(callback?: Callback): Promise<void> | undefined {
      if (callback !== undefined && typeof callback !== 'function') throw new errors.InvalidArgumentError('invalid callback');
      return settled(this.#core.close(), callback);
    }

    /** Ends all requests with the error, and closes all connections. */
    destroy(error?: Error | null | Callback, callback?: Callback): Promise<void> | undefined {
      const [reason, then] = typeof error === 'function' ? [undefined, error] : [error ?? undefined, callback];
      if (then !== undefined && typeof then !== 'function') throw new errors.InvalidArgumentError('invalid callback');
      return settled(this.#core.destroy(reason), then);
    }
  };
}

/** As undici does it: a promise, or the callback's. */
function settled(done: Promise<void>, callback: Callback | undefined): Promise<void> | undefined {
  if (callback === undefined) return done;
  done.then(() => callback(null, null), (error: unknown) => callback(error, null));
  return undefined;
}
