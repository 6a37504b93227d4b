// Two pools may have one name. In what leaves the process a name stands for one pool, or their numbers would be taken for one pool's.

import type { Pool } from '../pool.ts';
import { livingPools } from './sight.ts';

const names = new WeakMap<Pool<unknown>, string>();

/**
 * The name of a pool, which no other pool that lives has: of several with one name, those that were made later are `name#2`, `name#3`. It
 * stays the same for as long as the pool lives; that of a closed pool is free again, so that a pool that is made anew goes on where the old
 * one stopped.
 */
export function uniqueName(pool: Pool<unknown>): string {
  const known = names.get(pool);
  if (known !== undefined) return known;
  // All that have none get theirs now, in the order of their making, whoever is asked for first.
  const living = livingPools();
  const taken = new Set(living.map((each) => names.get(each)));
  for (const each of living) {
    if (names.has(each)) continue;
    let { name } = each;
    for (let count = 2; taken.has(name); count++) name = `${each.name}#${count}`;
    taken.add(name);
    names.set(each, name);
  }
  return names.get(pool) ?? pool.name;
}
