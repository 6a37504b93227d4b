// Pools for the tests of exporters: on the virtual clock, with a scripted factory. Each file says `afterEach(shutAll)`.

import { Pool, type PoolOptions } from 'millpond';
import { PLAIN_OPTIONS, ScriptedFactory, VirtualClock, type ScriptedResource } from 'millpond/testing';
import { livingPools } from '../../../packages/millpond/src/sight/sight.ts';

export interface Actor {
  readonly clock: VirtualClock;
  readonly factory: ScriptedFactory;
  readonly pool: Pool<ScriptedResource>;
}

const opened: Actor[] = [];

export function open(name: string, options: Partial<PoolOptions<ScriptedResource>> = {}): Actor {
  const clock = new VirtualClock();
  const factory = new ScriptedFactory({ clock });
  const pool = new Pool({ ...PLAIN_OPTIONS, name, max: 2, clock, factory, ...options });
  const actor = { clock, factory, pool };
  opened.push(actor);
  return actor;
}

/** Those that are made from now on: in one process with other tests there are pools that nobody closed. */
export function newPools(): (pool: Pool<unknown>) => boolean {
  const others = new Set(livingPools());
  return (pool) => !others.has(pool);
}

export async function shut({ clock, pool }: Actor): Promise<void> {
  const closed = pool.close({ deadlineMs: 0 });
  await clock.advance(0);
  await closed;
}

/** Two leases, one of which came after 30 ms of waiting for its create; a third acquire timed out after 200 ms, a fourth was refused. */
export async function busy(name: string, options: Partial<PoolOptions<ScriptedResource>> = {}): Promise<Actor> {
  const actor = open(name, { maxWaiting: 1, ...options });
  const { clock, factory, pool } = actor;
  factory.script.create.behaviour = { afterMs: 30 };
  const acquired = [pool.acquire({ label: 'first' }), pool.acquire({ label: 'second' })];
  await clock.advance(30);
  const [first] = await Promise.all(acquired);
  const late = pool.acquire({ timeoutMs: 200 }).catch(() => undefined);
  const refused = pool.acquire().catch(() => undefined);
  await clock.advance(200);
  await Promise.all([late, refused]);
  first!.release();
  return actor;
}

export async function shutAll(): Promise<void> {
  for (const actor of opened.splice(0)) await shut(actor);
}
