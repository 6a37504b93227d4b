// millpond with neither, one and both of its two steps beyond lending: preparing statements that recur, and sending them without waiting
// for the answer to the one before.
import { InvalidOptionError } from 'millpond';
import { createPgPool, type PgPool, type PgPoolOptions } from 'millpond/pg';
import { asksOf } from '../workload.ts';
import { ACQUIRE_TIMEOUT_MS, type Contender, type Place } from './contender.ts';

export const plain: Contender = ours('millpond', 'millpond, max 10', 'prepares nothing, pipelines nothing', { prepare: false });
export const prepared: Contender = ours('millpond-prepare', 'millpond, max 10, prepare', 'pipelines nothing', { prepare: true });
export const pipelined: Contender = ours('millpond-pipeline', 'millpond, max 10, pipeline', 'prepares nothing', {
  prepare: false, pipeline: true,
});
export const both: Contender = ours('millpond-both', 'millpond, max 10, prepare + pipeline', '', { prepare: true, pipeline: true });
export const plainUnix: Contender = { ...plain, id: 'millpond-unix', name: 'millpond, max 10, Unix socket', unix: true };
export const bothUnix: Contender = {
  ...both, id: 'millpond-both-unix', name: 'millpond, max 10, prepare + pipeline, Unix socket', unix: true,
};
export const wide: Contender = ours('millpond-wide', 'millpond, max 10, maxCreating 10', 'prepares nothing, pipelines nothing', {
  prepare: false, maxCreating: 10,
});

/** How many connects of ours may be under way at once, where a contender does not say otherwise: the pool's default. */
export const MAX_CREATING = 2;

interface Steps {
  readonly prepare: boolean;
  readonly pipeline?: boolean;
  readonly maxCreating?: number;
}

function ours(id: string, name: string, lacks: string, steps: Steps): Contender {
  const settings = Object.entries(steps).map(([option, value]) => `${option}: ${value}`);
  return {
    id,
    name,
    about: `createPgPool, min = max, ${settings.join(', ')}; acquireTimeoutMs 30 000`,
    lacks,
    ours: true,
    size: 10,
    open: async (place, size) => {
      const pool = create(place, size, steps);
      try {
        await pool.ready({ timeoutMs: ACQUIRE_TIMEOUT_MS });
      } catch (error) {
        await pool.close();
        throw error;
      }
      return {
        asks: asksOf((text, values) => pool.query(text, values)),
        close: () => pool.close().then(() => undefined),
      };
    },
  };
}

function create(place: Place, size: number, steps: Steps): PgPool {
  const options = { ...place, min: size, max: size, acquireTimeoutMs: ACQUIRE_TIMEOUT_MS } satisfies PgPoolOptions;
  try {
    return createPgPool({ ...options, ...steps });
  } catch (error) {
    // A build without preparing refuses even to be told not to; there, not saying it means the same.
    const { prepare, ...rest } = steps;
    const isOlder = error instanceof InvalidOptionError && !prepare && rest.pipeline !== true;
    if (isOlder) return createPgPool({ ...options, ...rest });
    throw error;
  }
}
