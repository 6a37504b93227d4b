/// <reference lib="esnext.disposable" preserve="true" />
// A stand-in for a resource that ends with its lease. Code that takes the resource itself, keeps it and gives it back by identity cannot
// be told whose it is: after a second release the next borrower's lease is gone, and two callers share one connection without an error.
// With a stand-in per lease, what an old borrower still holds is worth nothing.

/**
 * Something that behaves as the resource of this lease does, and is a different object for each lease. Its methods work until the lease
 * has ended and then throw {@link LeaseEndedError}, as does setting a property; properties can still be read. Methods run on the resource
 * itself, so private fields work, and one that returns the resource returns the stand-in. Members of `own` take precedence, also after
 * the end, and whoever sets one of those changes it for this lease alone.
 */
export function handleOf<T extends object>(lease: { readonly resource: T }, own: Partial<T> = {}): T {
  const methods = new Map<unknown, unknown>();
  const wrap = (method: (...args: unknown[]) => unknown, target: T): unknown => function call(this: unknown, ...args: unknown[]): unknown {
    const resource = lease.resource;
    const result = Reflect.apply(method, this === handle ? resource : this, args);
    return result === target ? handle : result;
  };
  const handle: T = new Proxy(lease.resource, {
    get(target, key) {
      if (Object.hasOwn(own, key)) return Reflect.get(own, key) as unknown;
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function' || key === 'constructor' || isFixed(target, key)) return value;
      let method = methods.get(value);
      if (method === undefined) methods.set(value, method = wrap(value as (...args: unknown[]) => unknown, target));
      return method;
    },
    set: (_, key, value) => Reflect.set(Object.hasOwn(own, key) ? own : lease.resource, key, value),
    deleteProperty: (_, key) => Reflect.deleteProperty(lease.resource, key),
    defineProperty: (_, key, descriptor) => Reflect.defineProperty(lease.resource, key, descriptor),
  });
  return handle;
}

/** The language does not allow a stand-in to show anything else here. */
function isFixed(target: object, key: string | symbol): boolean {
  const descriptor = Reflect.getOwnPropertyDescriptor(target, key);
  return descriptor !== undefined && descriptor.configurable === false && descriptor.writable === false;
}
