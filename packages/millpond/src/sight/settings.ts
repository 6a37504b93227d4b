// What a pool goes by, for whoever looks at it: every setting after defaults and checks, and whether somebody chose it.

import type { Engine } from '../engine/engine.ts';
import { resolveOptions } from '../options.ts';
import { Pool } from '../pool.ts';

export interface PoolSetting {
  readonly name: string;
  /** In words, with its unit where that is not in the name. */
  readonly value: string;
  /** As it would be if nobody had said anything. */
  readonly isDefault: boolean;
}

/** What is of the engine's inside, or of the factory and not of an option. */
const INSIDE: ReadonlySet<string> = new Set(['canValidate', 'canReset', 'canBreak', 'retryForWaiters']);
/** Options that have another form inside. */
const NAMES: Readonly<Record<string, string>> = { lifo: 'idleOrder', retry: 'createRetry' };

let defaults: Readonly<Record<string, unknown>> | undefined;

/** By name; empty for a pool of another copy of this package. `min` and `max` are what they are now. */
export function settingsOf(pool: Pool<unknown>): PoolSetting[] {
  if (!(pool instanceof Pool)) return [];
  const engine: Engine<unknown> = Pool.engineOf(pool);
  defaults ??= { ...resolveOptions({ factory: { create: () => undefined, destroy: () => undefined } }, 'defaults').settings };
  const found = Object.entries(engine.settings).filter(([name]) => !INSIDE.has(name)).map(([name, value]) => ({
    name: NAMES[name] ?? name, value: worded(name, value),
      isDefault: JSON.stringify(plain(value)) === JSON.stringify(plain(defaults![name])),
  }));
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function plain(value: unknown): unknown {
  if (value === Infinity) return 'Infinity';
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}

function worded(name: string, value: unknown): string {
  if (name === 'lifo') return value === true ? 'lifo' : 'fifo';
  if (value === undefined || value === Infinity) return 'off';
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return inWords(value);
}

function inWords(value: unknown): string {
  if (Array.isArray(value)) return value.map(inWords).join('; ');
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value).map(([key, each]) => `${key} ${inWords(each)}`).join(', ');
}
