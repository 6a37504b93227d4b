// Which lease what comes back belongs to. Two resources may be the same to look at: a pool of numbers is allowed.
//
// A resource has its entry for as long as it lives. A Map whose members come and go with every acquire is copied now and then, and once an
// old copy has grown old, the collector of young objects keeps whatever stood in the later ones.

import type { Lease } from 'millpond';
import { handleOf } from 'millpond/handle';

export class Loans<T> {
  readonly #leases = new Map<T, Lease<T> | undefined>();
  readonly #twins: { readonly resource: T; readonly lease: Lease<T> }[] = [];
  readonly #handles: boolean;
  /** Where a handle has its lease. */
  readonly #key = Symbol('lease');

  constructor(handles: boolean) {
    this.#handles = handles;
  }

  /** What the borrower gets. */
  lend(lease: Lease<T>): T {
    const { resource } = lease;
    if (this.#handles && isObject(resource)) return handleOf(lease as Lease<T & object>, { [this.#key]: lease } as Partial<T & object>);
    if (this.#leases.get(resource) === undefined) this.#leases.set(resource, lease);
    else this.#twins.push({ resource, lease });
    return resource;
  }

  /** The lease of what its borrower gives back, if it is one. */
  take(handed: T): Lease<T> | undefined {
    if (this.#handles && isObject(handed)) return Reflect.get(handed, this.#key) as Lease<T> | undefined;
    const lease = this.#leases.get(handed);
    if (lease === undefined) return undefined;
    const twin = this.#twins.length === 0 ? -1 : this.#twins.findIndex((each) => Object.is(each.resource, handed));
    if (twin >= 0) this.#leases.set(handed, this.#twins.splice(twin, 1)[0]!.lease);
    else if (lease.ended) this.#leases.delete(handed); // by the pool, and the resource with it
    else this.#leases.set(handed, undefined);
    return lease;
  }

  /** The resource is gone. */
  forget(resource: T): void {
    if (this.#leases.get(resource) === undefined) this.#leases.delete(resource);
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
