// How the resources behave at present. A mood lasts until an action changes it; within it every call of a hook draws its own behaviour.

import type { Behaviour } from '../script.ts';
import type { SeededRandom } from '../random.ts';

/**
 * - `instant`: everything succeeds without the passing of time. - `calm`: everything succeeds, soon.
 * - `slow`: everything succeeds, late, some of it after its timeout.
 * - `flaky`: a third of everything fails. - `down`: nothing can be created, what is there does not answer.
 * - `locked`: creating fails for good. - `hung`: most of it never answers.
 */
export type Mood = 'instant' | 'calm' | 'slow' | 'flaky' | 'down' | 'locked' | 'hung';
export const MOODS: readonly Mood[] = ['calm', 'slow', 'flaky', 'down', 'locked', 'hung'];

export type Hook = 'create' | 'validate' | 'reset' | 'destroy';

/** What a scripted hook fails with. `permanent`: trying again will not help. */
export class ScriptedFailure extends Error {
  readonly permanent: boolean;

  constructor(permanent = false) {
    super(permanent ? 'scripted: wrong password' : 'scripted: refused');
    this.permanent = permanent;
  }
}

const refused = new ScriptedFailure();
const locked = new ScriptedFailure(true);

export function behaviourOf<T, C, R>(hook: Hook, mood: Mood, random: SeededRandom): Behaviour<T, C, R> {
  switch (mood) {
    case 'instant': return random.chance(0.5) ? 'sync' : 'ok';
    case 'calm': return soon(random);
    case 'slow': return random.chance(0.3) ? soon(random) : { afterMs: random.int(5, 150) };
    case 'flaky':
      if (random.chance(0.35)) return failing(hook, refused, random);
      return random.chance(0.7) ? soon(random) : { afterMs: random.int(1, 80) };
    case 'down': return hook === 'destroy' ? soon(random) : random.chance(0.3) ? 'manual' : failing(hook, refused, random);
    case 'locked': return hook === 'create' && random.chance(0.8) ? failing(hook, locked, random) : soon(random);
    case 'hung': return random.chance(0.7) ? 'manual' : { afterMs: random.int(1, 300) };
  }
}

function soon<T, C, R>(random: SeededRandom): Behaviour<T, C, R> {
  const dice = random();
  return dice < 0.35 ? 'sync' : dice < 0.65 ? 'ok' : { afterMs: random.int(1, 6) };
}

function failing<T, C, R>(hook: Hook, error: ScriptedFailure, random: SeededRandom): Behaviour<T, C, R> {
  const dice = random();
  if (hook === 'validate' && dice < 0.4) return () => false as R;
  if (dice < 0.25) return { throws: error };
  if (dice < 0.55) return { rejects: error };
  return { afterMs: random.int(1, 40), rejects: error };
}
