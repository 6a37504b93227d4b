// The same hooks in another order: creates, validations, resets and destroys are settled by a scheduler that fast-check drives, so that every
// order of their endings can come up, between the actions of the callers. The invariants hold after each, and in the end nothing is lost.

import fc from 'fast-check';
import { Pool, type Lease } from 'millpond';
import { VirtualClock } from 'millpond/testing';
import { expect, test } from 'vitest';
import { checkEngine } from '../../packages/millpond/src/engine/invariants.ts';

const RUNS = Number(process.env['RUNS'] ?? 300);

interface Thing {
  readonly id: number;
  owner: number | undefined;
}

type Action = 'acquire' | 'release' | 'destroy' | 'abort' | 'tick' | 'evict' | 'lose';

const world = fc.record({
  max: fc.integer({ min: 1, max: 4 }),
  min: fc.integer({ min: 0, max: 1 }),
  maxCreating: fc.integer({ min: 1, max: 3 }),
  createRetry: fc.boolean(),
  failures: fc.infiniteStream(fc.integer({ min: 0, max: 9 })),
});

const actions = fc.array(
  fc.constantFrom<Action>('acquire', 'acquire', 'acquire', 'release', 'release', 'destroy', 'abort', 'tick', 'evict', 'lose'),
  { maxLength: 40 },
);

test('in whatever order hooks end, nobody is lost, and nothing is lent twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), world, actions, fc.infiniteStream(fc.nat()), async (scheduler, drawn, steps, picks) => {
      const clock = new VirtualClock();
      const faults: string[] = [];
      const losses = new Map<Thing, () => void>();
      const live = new Set<Thing>();
      let made = 0;
      let asked = 0;
      let healed = false;
      const fails = (): boolean => !healed && drawn.failures.next().value === 0;
      const pool = new Pool<Thing>({
        max: drawn.max, min: drawn.min, maxCreating: drawn.maxCreating, createRetry: drawn.createRetry ? {} : false,
        validateAfterIdleMs: 5, acquireTimeoutMs: 200, idleTimeoutMs: 0, maxLifetimeMs: 0, createTimeoutMs: 0,
        validateTimeoutMs: 0, resetTimeoutMs: 0, destroyTimeoutMs: 0, clock, random: () => 0.5,
        factory: {
          create: async () => {
            await scheduler.schedule(Promise.resolve(), 'create');
            if (fails()) throw new Error('refused');
            const thing: Thing = { id: ++made, owner: undefined };
            live.add(thing);
            if (live.size > drawn.max) faults.push(`${live.size} live at max ${drawn.max}`);
            return thing;
          },
          validate: async () => {
            await scheduler.schedule(Promise.resolve(), 'validate');
            return !fails();
          },
          reset: async () => {
            await scheduler.schedule(Promise.resolve(), 'reset');
            if (fails()) throw new Error('not clean');
          },
          destroy: async (thing) => {
            if (thing.owner !== undefined) faults.push(`${thing.id} destroyed while ${thing.owner} has it`);
            if (!live.has(thing)) faults.push(`${thing.id} destroyed twice`);
            await scheduler.schedule(Promise.resolve(), 'destroy');
            live.delete(thing);
          },
          onLost: (thing, lost) => {
            losses.set(thing, lost);
            return () => losses.delete(thing);
          },
        },
      });
      const held: { owner: number; lease: Lease<Thing> }[] = [];
      const aborts: AbortController[] = [];
      let settled = 0;
      const acquire = (): void => {
        const owner = ++asked;
        const abort = new AbortController();
        aborts.push(abort);
        pool.acquire({ signal: abort.signal }).then(
          (lease) => {
            settled++;
            if (lease.resource.owner !== undefined) faults.push(`${lease.resource.id} lent to ${owner} and ${lease.resource.owner}`);
            lease.resource.owner = owner;
            held.push({ owner, lease });
          },
          () => settled++,
        );
      };
      const endOne = (how: 'release' | 'destroy'): void => {
        const [one] = held.splice(picks.next().value % Math.max(1, held.length), 1);
        if (one === undefined) return;
        one.lease.resource.owner = undefined;
        one.lease[how]();
      };
      const check = async (): Promise<void> => {
        await clock.flush();
        faults.push(...checkEngine(Pool.engineOf(pool), clock.now()));
        expect(faults).toEqual([]);
      };
      const act: Record<Action, () => unknown> = {
        acquire,
        release: () => endOne('release'),
        destroy: () => endOne('destroy'),
        abort: () => aborts[picks.next().value % Math.max(1, aborts.length)]?.abort(),
        tick: () => clock.advance(picks.next().value % 30),
        evict: () => pool.evict(),
        lose: () => [...losses.values()][picks.next().value % Math.max(1, losses.size)]?.(),
      };
      for (const step of steps) {
        await act[step]();
        await check();
        // Some hooks end now, some later.
        for (let some = picks.next().value % 3; some > 0 && scheduler.count() > 0; some--) {
          await scheduler.waitNext(1);
          await check();
        }
      }
      healed = true;
      for (let round = 0; round < 200 && (held.length > 0 || settled < asked || scheduler.count() > 0); round++) {
        while (held.length > 0) endOne('release');
        while (scheduler.count() > 0) await scheduler.waitNext(1);
        await clock.advance(50);
        await check();
      }
      expect(settled).toBe(asked);
      const closing = pool.close();
      for (let round = 0; round < 50 && pool.state !== 'closed'; round++) {
        while (scheduler.count() > 0) await scheduler.waitNext(1);
        await clock.flush();
      }
      expect((await closing).abandoned).toEqual([]);
      expect(live.size).toBe(0);
      expect(clock.pending).toBe(0);
    }),
    { numRuns: RUNS },
  );
}, 300_000);
