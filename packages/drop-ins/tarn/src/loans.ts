// Which lease a resource that comes back belongs to. Two resources may be the same to look at: a pool of numbers is allowed.

import type { Lease } from 'millpond';

export class Loans<T> {
  readonly #leases = new Map<T, Lease<T>>();
  readonly #twins: { readonly resource: T; readonly lease: Lease<T> }[] = [];

  add(resource: T, lease: Lease<T>): void {
    if (this.#leases.has(resource)) this.#twins.push({ resource, lease });
    else this.#leases.set(resource, lease);
  }

  take(resource: T): Lease<T> | undefined {
    const lease = this.#leases.get(resource);
    if (lease === undefined) return undefined;
    const twin = this.#twins.length === 0 ? -1 : this.#twins.findIndex((each) => Object.is(each.resource, resource));
    if (twin < 0) this.#leases.delete(resource);
    else this.#leases.set(resource, this.#twins.splice(twin, 1)[0]!.lease);
    return lease;
  }
}
