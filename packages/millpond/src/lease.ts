// The right to use one resource, from its acquire to its end.

import type { ResourceInfo } from './factory.ts';

/**
 * A lease ends exactly once: by {@link Lease.release}, {@link Lease.destroy} or {@link Lease.detach}, whichever comes first. Ending it
 * again never touches whoever holds the resource then; it is reported (`staleRelease`).
 */
export interface Lease<T> extends Disposable, AsyncDisposable {
  /** Throws {@link LeaseEndedError} after the end. */
  readonly resource: T;
  readonly info: ResourceInfo;
  readonly ended: boolean;
  /** Gives the resource back. False: the lease had ended before. Never throws, never waits. */
  release(): boolean;
  /** Ends the lease and the resource: it is not safe to use again. False: the lease had ended before. */
  destroy(cause?: unknown): boolean;
  /** Takes the resource out of the pool for good; the caller closes it. Throws {@link LeaseEndedError} after the end. */
  detach(): T;
  /** {@link Lease.release}. */
  [Symbol.dispose](): void;
  /** {@link Lease.release}, then wait until the resource is clean, lent again or destroyed. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Who holds a resource, as far as that is known. */
export interface Holder {
  /** Of the resource. */
  readonly id: number;
  readonly label?: string;
  readonly heldMs: number;
  /** Where it was acquired, if stacks are captured. */
  readonly stack?: string;
}
