// What travels with the caller's async context: its lane, and the lease inside whose `use` it runs.

import { AsyncLocalStorage } from 'node:async_hooks';

export interface Frame {
  readonly lane: string | undefined;
  readonly holding: Holding | undefined;
}

/** A lease whose `use` encloses the present code, and those around it. */
export interface Holding {
  readonly owner: object;
  readonly lease: { readonly ended: boolean };
  readonly label: string | undefined;
  readonly stack: string | undefined;
  readonly outer: Holding | undefined;
}

const storage = new AsyncLocalStorage<Frame>();

export function currentFrame(): Frame | undefined {
  return storage.getStore();
}

/**
 * Runs `fn` so that every acquire in it, however deep and however asynchronous, goes to this lane of its pool unless it names one itself. A
 * pool that has no lane of this name is not affected.
 */
export function withLane<R>(lane: string, fn: () => R): R {
  return storage.run({ lane, holding: storage.getStore()?.holding }, fn);
}

export function withHolding<R>(holding: Omit<Holding, 'outer'>, fn: () => R): R {
  const frame = storage.getStore();
  return storage.run({ lane: frame?.lane, holding: { ...holding, outer: frame?.holding } }, fn);
}

/** The live lease of `owner` inside whose `use` the present code runs. */
export function enclosing(owner: object): Holding | undefined {
  let holding = storage.getStore()?.holding;
  while (holding !== undefined && (holding.owner !== owner || holding.lease.ended)) holding = holding.outer;
  return holding;
}

/** The line that called; what is below it differs with how the same code was reached. */
export function firstFrame(stack: string | undefined): string {
  return stack?.split('\n')[1] ?? '';
}

export function place(stack: string | undefined): string {
  return stack === undefined ? ' at a place that is not known (captureStacks)' : ` here:\n${stack.split('\n').slice(1).join('\n')}`;
}
