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
  const traps = new Traps(lease, own);
  return traps.handle = new Proxy(lease.resource, traps);
}

type Method = (...args: unknown[]) => unknown;

/** As an object with methods, which a lease can afford each time, and not as closures. */
class Traps<T extends object> implements ProxyHandler<T> {
  handle: T | undefined = undefined;
  private methods: Map<Method, Method> | undefined = undefined;
  private readonly lease: { readonly resource: T };
  private readonly own: Partial<T>;

  constructor(lease: { readonly resource: T }, own: Partial<T>) {
    this.lease = lease;
    this.own = own;
  }

  get(target: T, key: string | symbol): unknown {
    if (Object.hasOwn(this.own, key)) return Reflect.get(this.own, key) as unknown;
    const value: unknown = Reflect.get(target, key, target);
    if (typeof value !== 'function' || key === 'constructor' || isFixed(target, key)) return value;
    this.methods ??= new Map();
    let method = this.methods.get(value as Method);
    if (method === undefined) {
      method = this.wrap(value as Method, target);
      this.methods.set(value as Method, method);
    }
    return method;
  }

  set(_: T, key: string | symbol, value: unknown): boolean {
    return Reflect.set(Object.hasOwn(this.own, key) ? this.own : this.lease.resource, key, value);
  }

  deleteProperty(_: T, key: string | symbol): boolean {
    return Reflect.deleteProperty(this.lease.resource, key);
  }

  defineProperty(_: T, key: string | symbol, descriptor: PropertyDescriptor): boolean {
    return Reflect.defineProperty(this.lease.resource, key, descriptor);
  }

  private wrap(method: Method, target: T): Method {
    const { lease, handle } = this;
    return function call(this: unknown, ...args: unknown[]): unknown {
      const resource = lease.resource;
      const result = Reflect.apply(method, this === handle ? resource : this, args);
      return result === target ? handle : result;
    };
  }
}

/** The language does not allow a stand-in to show anything else here. */
function isFixed(target: object, key: string | symbol): boolean {
  const descriptor = Reflect.getOwnPropertyDescriptor(target, key);
  return descriptor !== undefined && descriptor.configurable === false && descriptor.writable === false;
}
