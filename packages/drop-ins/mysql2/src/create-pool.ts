// Making pools.

import { readConfig } from './driver.ts';
import type { MillpondOptions } from './options.ts';
import { Pool } from './pool.ts';
import { PromisePool } from './promise-pool.ts';

export interface WithMillpond {
  /** Better than mysql2's pool: `true`, or in detail. Default: faithful to it. */
  readonly millpond?: boolean | MillpondOptions;
}

/** A pool by mysql2's options, or by an URI. */
export function makePool(options: string | WithMillpond): Pool {
  if (typeof options === 'string') return new Pool({ config: readConfig(options) });
  // mysql2 warns of options that it does not know.
  const { millpond, ...known } = options;
  return new Pool({ config: readConfig(known), ...(millpond === undefined ? {} : { millpond }) });
}

export function makePromisePool(options: string | (WithMillpond & { readonly Promise?: PromiseConstructor })): PromisePool {
  return new PromisePool(makePool(options), typeof options === 'string' ? Promise : options.Promise ?? Promise);
}
