// Time and chance, as the pool takes them from outside: everything that waits or draws lots goes through these two, so that a test can
// own them.

/** A source of time. It must not go backwards; what its zero is does not matter. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /**
   * Calls back once, at or after `atMs`; returns a function that cancels. `keepAlive` says whether a caller is waiting for it, so that the
   * process should live until then; a clock may ignore it.
   */
  schedule(atMs: number, callback: () => void, keepAlive?: boolean): () => void;
}

/** Uniform in [0, 1). */
export type Random = () => number;
