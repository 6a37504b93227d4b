// What may be done to a pool from the console, when that is switched on. Each is what the pool's own method does; each is written into
// the list of events.

import { captureStacksFor } from '../sight/debug/index.ts';
import { reclaim } from '../sight/reclaim.ts';
import type { Recorder } from './recorder.ts';

export interface Action {
  readonly pool: string;
  readonly action: 'resize' | 'pause' | 'resume' | 'evict' | 'reclaim' | 'captureStacks';
  /** Of `resize`. */
  readonly min?: number;
  readonly max?: number;
  /** Of `reclaim`: the id of the resource. */
  readonly resource?: number;
  /** Of `reclaim`: how long its lease had been held when it was seen. One that is younger is somebody else's, and is left alone. */
  readonly heldMs?: number;
}

/** What was asked cannot be done; the message says why. */
export class ActionError extends Error {
  override readonly name = 'ActionError';
}

const STACKS_MS = 60_000;
const LONGEST_BODY = 16_384;

/** What an action says, from the bytes of a request. Throws {@link ActionError}, or a SyntaxError. */
export async function readAction(chunks: AsyncIterable<Uint8Array> | undefined): Promise<unknown> {
  const decoder = new TextDecoder();
  let text = '';
  let length = 0;
  for await (const chunk of chunks ?? []) {
    length += chunk.length;
    if (length > LONGEST_BODY) throw new ActionError(`an action has at most ${LONGEST_BODY} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return JSON.parse(text + decoder.decode()) as unknown;
}

/** Does it, and says in a sentence what came of it. Throws {@link ActionError}. */
export function act(recorder: Recorder, asked: unknown): string {
  const { pool: id, action, min, max, resource = -1, heldMs = 0 } = checked(asked);
  const pool = recorder.find(id)?.pool;
  if (pool === undefined) throw new ActionError(`there is no pool ${JSON.stringify(id)}`);
  const said = (text: string): string => {
    recorder.log.add(id, 'action', action, text);
    return text;
  };
  try {
    switch (action) {
      case 'resize': {
        pool.resize({ ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) });
        const { min: least, max: most } = pool.stats();
        return said(`resized: min ${least}, max ${most}`);
      }
      case 'pause':
        pool.pause();
        return said('paused: nothing is lent until it is resumed');
      case 'resume':
        pool.resume();
        return said('resumed');
      case 'evict': return said(`${pool.evict()} resources are being replaced`);
      case 'reclaim': {
        const seen = pool.holders().some((holder) => holder.id === resource && holder.heldMs >= heldMs - 1);
        if (!seen) throw new ActionError(`the lease of #${resource} has ended by itself`);
        return said(`${reclaim(pool, resource)} leases of #${resource} were ended`);
      }
      case 'captureStacks':
        captureStacksFor(STACKS_MS, { pools: (each) => each === pool });
        return said('stacks of new leases are kept for a minute');
    }
  } catch (error) {
    throw new ActionError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

const ACTIONS: readonly string[] = ['resize', 'pause', 'resume', 'evict', 'reclaim', 'captureStacks'] satisfies Action['action'][];

function checked(asked: unknown): Action {
  if (typeof asked !== 'object' || asked === null) throw new ActionError('an action is an object');
  const action = asked as Action;
  if (typeof action.pool !== 'string' || !ACTIONS.includes(action.action)) {
    throw new ActionError(`an action has a pool, and is one of ${ACTIONS.join(', ')}`);
  }
  for (const key of ['min', 'max', 'resource', 'heldMs'] as const) {
    const value: unknown = action[key];
    if (value !== undefined && !Number.isInteger(value)) throw new ActionError(`${key} is a whole number`);
  }
  return action;
}
