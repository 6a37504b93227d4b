// What the adapters' options have in common: three kinds of them arrive in one object (the pool's, the driver's, the adapter's own), and
// what is none of them is refused with the nearest known name. No message shows a value: any might be a password in the wrong place.

import { InvalidOptionError } from '../../index.ts';
import { nearest, POOL_OPTION_KEYS } from '../../options.ts';

/** The options that an adapter passes on to its pool: all but those that it decides itself. */
export function poolKeys(...own: readonly string[]): readonly string[] {
  return POOL_OPTION_KEYS.filter((key) => key !== 'factory' && !own.includes(key));
}

/** Refuses keys that are not `known`. `elsewhere` tells those who come from another pool what a name of its is here. */
export function checkKeys(
  prefix: string, given: object, known: readonly string[], name: string, elsewhere: Readonly<Record<string, string>> = {},
): void {
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue;
    const here = Object.hasOwn(elsewhere, key) ? elsewhere[key] : undefined;
    if (here !== undefined) throw unknown(prefix + key, `here it is ${here}`, name);
    if ((POOL_OPTION_KEYS as readonly string[]).includes(key)) {
      throw invalid(prefix + key, 'is an option of the pool, not of a connection', name);
    }
    const near = nearest(key, known);
    throw unknown(prefix + key, near === undefined ? `known are ${known.join(', ')}` : `did you mean ${prefix}${near}?`, name);
  }
}

/** The options sorted by who they are for, without those that are undefined; what is in neither list is left out. */
export function sortOptions(
  options: object, forPool: readonly string[], forFactory: readonly string[],
): { readonly pool: Record<string, unknown>; readonly factory: Record<string, unknown> } {
  const pool: Record<string, unknown> = {};
  const factory: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (forPool.includes(key)) pool[key] = value;
    else if (forFactory.includes(key)) factory[key] = value;
  }
  return { pool, factory };
}

/** The name that options give to their pool, before anything else in them is looked at: errors carry it. */
export function nameIn(options: unknown, fallback: string, what = 'an object'): string {
  if (typeof options !== 'object' || options === null) throw invalid('options', `must be ${what}`, fallback);
  const { name } = options as { readonly name?: unknown };
  return typeof name === 'string' ? name : fallback;
}

export function invalid(option: string, what: string, name: string): InvalidOptionError {
  return new InvalidOptionError(option, `${option} ${what}`, name);
}

function unknown(option: string, hint: string, name: string): InvalidOptionError {
  return new InvalidOptionError(option, `unknown option ${option}; ${hint}`, name);
}
