import type { DestroyReason } from './engine/words.ts';

/** What the pool knows of one resource. */
export interface ResourceInfo {
  /** Counts up from 1 within its pool; never used twice. */
  readonly id: number;
  /** Milliseconds since it was created. */
  readonly ageMs: number;
  /** Milliseconds since it was last given back; 0 while it is borrowed. */
  readonly idleMs: number;
  /** How often it has been lent, the running lease included. */
  readonly uses: number;
  /** The pool's generation it belongs to: `evict()` begins a new one. */
  readonly generation: number;
}

/**
 * Teaches a pool how to make, check, clean and unmake its resources. Only `create` and `destroy` are required.
 *
 * A hook that throws synchronously counts as one that rejects; a hook that outlives its timeout is given up (its `signal`
 * aborts) and whatever it yields later is destroyed, never lent. Hooks run in the async context in which the pool was built.
 */
export interface Factory<T> {
  /**
   * Makes one resource. `signal` aborts when `createTimeoutMs` passed or nobody wants the result any more: give up then and leave
   * nothing behind. `attempt` is 1, and one more after each failure in a row.
   */
  create(context: { readonly signal: AbortSignal; readonly attempt: number }): Promise<T> | T;
  /**
   * Unmakes it. The pool waits at most `destroyTimeoutMs`, then `signal` aborts and its place is free. A failure is reported, not
   * retried.
   */
  destroy(resource: T, context: { readonly reason: DestroyReason; readonly signal: AbortSignal }): Promise<void> | void;
  /**
   * Is it alive? Resolve false, or reject, to say that it is dead. Without this hook an idle resource is trusted until it says that it is
   * lost.
   */
  validate?(resource: T, context: ResourceInfo & { readonly signal: AbortSignal }): Promise<boolean> | boolean;
  /** Cleans it after a lease. Returning nothing (not a promise) makes it idle in the same tick. A failure destroys it. */
  reset?(resource: T, context: ResourceInfo & { readonly signal: AbortSignal }): Promise<void> | void;
  /** Cheap, synchronous, asked on every release and before every fast hand-over. */
  isBroken?(resource: T): boolean;
  /** Tells the pool that a resource died while nobody was looking. Returns the unsubscribe function. */
  onLost?(resource: T, listener: (cause?: unknown) => void): () => void;
  /**
   * Tells how many leases a resource with `sharing` can carry, which is at most `sharing`: at once, if that is known, and whenever it
   * changes. One that carries more than that at the moment keeps them, and takes no other until they are fewer. Less than 1 counts as 1.
   * Returns the unsubscribe function.
   */
  onCapacity?(resource: T, listener: (leases: number) => void): () => void;
  /** May a failed create be tried again? Default: transient. */
  classify?(error: unknown): 'transient' | 'permanent';
}
