// The scenarios run on this package's own stage: `play` puts a Pool with the scenario's options on it, everything else as SCENARIOS has it
// "unless a line says otherwise". Each `step`, `adv` and `borrow` ends in a check of the invariants.

import { Pool, type PoolOptions } from 'millpond';
import { Scene, type ScriptedFactory, type ScriptedResource, type SceneSetup } from 'millpond/testing';
import { expect } from 'vitest';

export type Stage = Scene<ScriptedResource, Pool<ScriptedResource>>;
type Setup = Omit<SceneSetup<ScriptedResource, Pool<ScriptedResource>>, 'pool' | 'options'>;

export function play(options: Partial<Omit<PoolOptions<ScriptedResource>, 'factory' | 'clock'>> = {}, setup: Setup = {}): Stage {
  return new Scene({ ...setup, options, pool: (all: PoolOptions<ScriptedResource>) => new Pool(all) });
}

/** For `prepare`: the test settles every create. */
export const manually = (factory: ScriptedFactory): void => {
  factory.auto = false;
};

/** When each create was started. */
export function createTimes(scene: Stage): number[] {
  const at: number[] = [];
  scene.factory.observe((hook) => void (hook === 'create' && at.push(scene.clock.now())));
  return at;
}

/** The names of the resources that these requests were served with. */
export function names(requests: readonly { readonly resource: ScriptedResource }[]): string[] {
  return requests.map((request) => request.resource.name);
}

/** The part of the stats that a scenario speaks of. */
export function expectStats(scene: Stage, expected: Partial<ReturnType<Stage['pool']['stats']>>): void {
  expect(scene.pool.stats()).toMatchObject(expected);
}

export function expectFailed(
  requests: { readonly state: string; readonly error: unknown } | readonly { readonly state: string; readonly error: unknown }[],
  code: string,
): void {
  for (const request of [requests].flat()) {
    expect(request.state).toBe('failed');
    expect(request.error).toMatchObject({ code });
  }
}
