// A client lent as a handle. pg-pool lends one object to borrower after borrower, and `client.release()` cannot tell who calls: a second
// release by the last one frees the client of the next one. A handle belongs to one lease. It is the client in every other way: whatever is
// read from it or written to it is the client's, and its methods run on the client itself.

import type { DriverClient } from './driver.ts';
import { releasedTwiceError } from './errors.ts';

type Method = (...args: never[]) => unknown;

/** Methods bound to their client, so that they need not be bound again for each lease. */
const bound = new WeakMap<object, Map<PropertyKey, { readonly method: Method; readonly own: Method }>>();

/** `isOver`: the lease has ended, and so has the right to send statements. */
export function handleFor(client: DriverClient, release: (error?: unknown) => void, isOver: () => boolean): DriverClient {
  // Callers wrap it, to be told of the end of their lease; the wrapper is this lease's too.
  let current: unknown = release;
  return new Proxy(client, {
    get(target, key) {
      if (key === 'release') return current;
      if (key === Symbol.dispose) return () => { (current as () => void)(); };
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== 'function' || key === 'constructor') return value;
      if (key === 'query' && isOver()) throw releasedTwiceError();
      return boundTo(target, key, value as Method);
    },
    set(target, key, value: unknown) {
      if (key !== 'release') return Reflect.set(target, key, value);
      current = value;
      return true;
    },
    has: (target, key) => key === 'release' || Reflect.has(target, key),
  });
}

function boundTo(client: object, key: PropertyKey, method: Method): Method {
  let methods = bound.get(client);
  if (methods === undefined) {
    methods = new Map();
    bound.set(client, methods);
  }
  const known = methods.get(key);
  if (known?.method === method) return known.own;
  const own = method.bind<Method>(client);
  methods.set(key, { method, own });
  return own;
}
