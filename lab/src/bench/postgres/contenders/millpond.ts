// millpond with neither, one and both of its two steps beyond lending: preparing statements that recur, and sending them without waiting
// for the answer to the one before.
import { createPgPool } from 'millpond/pg';
import { asksOf } from '../workload.ts';
import { ACQUIRE_TIMEOUT_MS, type Contender } from './contender.ts';

export const plain: Contender = ours('millpond', 'millpond, max 10', 'prepares nothing, pipelines nothing', { prepare: false });
export const prepared: Contender = ours('millpond-prepare', 'millpond, max 10, prepare', 'pipelines nothing', { prepare: true });
const BEHIND = 'a slow statement holds up the few behind it';
export const pipelined: Contender = ours('millpond-pipeline', 'millpond, max 10, pipeline', `prepares nothing; ${BEHIND}`, {
  prepare: false, pipeline: true,
});
export const both: Contender = ours('millpond-both', 'millpond, max 10, prepare + pipeline', BEHIND, { prepare: true, pipeline: true });
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
      const pool = createPgPool({ ...place, min: size, max: size, acquireTimeoutMs: ACQUIRE_TIMEOUT_MS, ...steps });
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
