// A client of the pool, with what the pool knows of it beside it.

import type { Lease } from 'millpond';
import type { DriverClient } from './driver.ts';

export class Member {
  readonly client: DriverClient;
  /** The lease by which it is lent, or was the last time. */
  lease: Lease<Member> | undefined = undefined;
  /** Connected, and through `onConnect`. */
  connected = false;
  /** When it was given back, where anybody wants to know; Infinity until the event loop has come round once since. */
  idleSince: number = Infinity;
  /** The pool has let it go. */
  gone = false;
  /** Nobody has had it yet, and `verify` is to look at it before. */
  unverified: boolean;
  /** Tells the engine that it died. */
  lost: (cause: unknown) => void = () => {};

  constructor(client: DriverClient, unverified: boolean) {
    this.client = client;
    this.unverified = unverified;
  }

  get isLent(): boolean {
    return this.lease?.ended === false;
  }
}
