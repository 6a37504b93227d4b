// The form of a case of the pool contract.

import type { Pool } from '../../index.ts';
import type { ScriptedResource } from '../factory.ts';
import type { Scene, ScenePool, SceneSetup } from '../scene.ts';

/** Parts of the face that a pool may lack; the cases about them are left out then. */
export const POOL_FEATURES = ['evict', 'resize', 'pause', 'breaker', 'sharing', 'keepalive', 'leaks', 'detach', 'onLost'] as const;
export type PoolFeature = (typeof POOL_FEATURES)[number];

/** The pool under test: all of the face that the cases use. */
export type ContractPool<T = ScriptedResource> = ScenePool<T> & Pick<Pool<T>, 'evict' | 'resize' | 'pause' | 'resume' | 'state'>;

export type PoolScene = Scene<ScriptedResource, ContractPool>;
export type PlayOptions = Omit<SceneSetup<ScriptedResource, ContractPool>, 'pool'>;

export interface PoolCase {
  /** A sentence that says what holds. */
  readonly name: string;
  readonly needs?: readonly PoolFeature[];
  /** `play` puts a pool with these options on a scene. */
  run(play: (setup?: PlayOptions) => PoolScene): Promise<void>;
}
