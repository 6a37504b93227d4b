// Which lease what a borrower holds belongs to.
//
// A resource has its entry for as long as it lives. A Map whose members come and go with every acquire is copied now and then, and once an
// old copy has grown old, the collector of young objects keeps whatever stood in the later ones.

import type { Lease } from 'millpond';
import { handleOf } from 'millpond/handle';

export class Loans<T> {
  /** The last of each resource. */
  readonly #leases = new Map<T, Lease<T>>();
  readonly #handles: boolean;
  /** Where a handle has its lease. */
  readonly #key = Symbol('lease');

  constructor(handles: boolean) {
    this.#handles = handles;
  }

  /** What the borrower gets. */
  readonly lend = (lease: Lease<T>): T => {
    const { resource } = lease;
    this.#leases.set(resource, lease);
    if (!this.#handles || !isObject(resource)) return resource;
    return handleOf(lease as Lease<T & object>, { [this.#key]: lease } as Partial<T & object>);
  };

  /** The last lease of what somebody holds or held. */
  last(handed: T): Lease<T> | undefined {
    if (this.#handles && isObject(handed)) return Reflect.get(handed, this.#key) as Lease<T> | undefined;
    return this.#leases.get(handed);
  }

  /** The lease of what somebody holds. */
  of(handed: T): Lease<T> | undefined {
    const lease = this.last(handed);
    return lease?.ended === false ? lease : undefined;
  }

  isLent(resource: T): boolean {
    return this.#leases.get(resource)?.ended === false;
  }

  /** The resource is gone. */
  forget(resource: T): void {
    if (!this.isLent(resource)) this.#leases.delete(resource);
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
