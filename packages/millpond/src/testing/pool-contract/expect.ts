// What the cases say about a request or a pool, in the words of the contract.

import assert from 'node:assert/strict';
import type { PoolStats } from '../../index.ts';
import type { Request, Scene, ScenePool } from '../scene.ts';

/** Which part of the stats stands how. */
export function expectStats<T>(pool: ScenePool<T>, expected: Partial<PoolStats>): void {
  const stats = pool.stats();
  const seen = Object.fromEntries(Object.keys(expected).map((key) => [key, stats[key as keyof PoolStats]]));
  assert.deepEqual(seen, expected);
}

/** It failed with this code: codes, not classes, so that another copy of the package counts as well. */
export function expectFailure<T>(request: Request<T>, code: string): void {
  assert.equal(request.state, 'failed', `expected a failure with ${code}`);
  assert.equal((request.error as { code?: unknown } | undefined)?.code, code);
}

export function expectWaiting<T>(...requests: Request<T>[]): void {
  for (const request of requests) assert.equal(request.state, 'waiting');
}

/** They have been served with these resources, by name. */
export function expectServed(requests: readonly Request<{ readonly name: string }>[], names: readonly string[]): void {
  assert.deepEqual(
    requests.map((request) => request.resource.name),
    names,
  );
}

export function codeOf(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    return (error as { code?: unknown } | undefined)?.code ?? error;
  }
  return 'did not throw';
}

/** What becomes of a promise that must settle without the passing of time. A pool that never settles it fails the case, not hangs it. */
export async function settled<T, P extends ScenePool<T>, V>(
  scene: Scene<T, P>,
  what: string,
  promise: Promise<V>,
): Promise<PromiseSettledResult<V>> {
  const results: PromiseSettledResult<V>[] = [];
  void Promise.allSettled([promise]).then(([result]) => results.push(result));
  await scene.step();
  const [result] = results;
  if (result === undefined) throw new Error(`${what} did not settle`);
  return result;
}
