// Runs a factory's hooks so that a hook that throws counts as one that rejects, and a hook that answers at once is taken at once.

import type { Factory, ResourceInfo } from '../factory.ts';
import { isThenable } from '../thenable.ts';

/** Context of a hook. The signal is made when it is first asked for: most hooks of most calls never look at it. */
export class HookContext {
  #controller: AbortController | undefined = undefined;
  #given: unknown = undefined;
  #isGivenUp = false;

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isGivenUp) this.#controller.abort(this.#given);
    }
    return this.#controller.signal;
  }

  giveUp(reason: unknown): void {
    this.#given = reason;
    this.#isGivenUp = true;
    this.#controller?.abort(reason);
  }
}

export class InfoContext extends HookContext implements ResourceInfo {
  readonly id: number;
  readonly ageMs: number;
  readonly idleMs: number;
  readonly uses: number;
  readonly generation: number;

  constructor(info: ResourceInfo) {
    super();
    this.id = info.id;
    this.ageMs = info.ageMs;
    this.idleMs = info.idleMs;
    this.uses = info.uses;
    this.generation = info.generation;
  }
}

/** Calls `hook` and one of the two others with what comes of it: at once, or when its promise settles. */
export function runHook<R>(hook: () => Promise<R> | R, done: (result: R) => void, failed: (error: unknown) => void): void {
  let result: Promise<R> | R;
  try {
    result = hook();
  } catch (error) {
    failed(error);
    return;
  }
  // Through Promise.resolve, which costs a promise nothing: a thenable that is none may call back twice, or throw.
  if (isThenable(result)) Promise.resolve(result).then(done, failed);
  else done(result);
}

/** Listens to what a resource tells by itself. `kept` gets how to stop that, also when the second of the two hooks throws. */
export function subscribe<T>(factory: Factory<T>, resource: T, listeners: {
  readonly kept: (unsubscribe: () => void) => void;
  readonly lost: (cause?: unknown) => void;
  readonly carries: (leases: number) => void;
}): void {
  if (factory.onLost === undefined && factory.onCapacity === undefined) return;
  const deaf = factory.onLost?.(resource, listeners.lost);
  if (deaf !== undefined) listeners.kept(deaf);
  const closed = factory.onCapacity?.(resource, listeners.carries);
  if (closed === undefined) return;
  listeners.kept(() => {
    closed();
    deaf?.();
  });
}
