// Hooks and listeners that call the pool while it asks or tells them, at the places where a resource changes hands without a dispatch.

import { Pool, type PoolOptions } from 'millpond';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';

class Thing { readonly made = true; }

interface Stage {
  readonly pool: Pool<Thing>;
  /** Why resources were destroyed, one entry for each call of the hook. */
  readonly destroyed: string[];
  /** What `isBroken` does; by default it says no. */
  ask: () => boolean;
  /** Tells the pool that the newest resource died. */
  lose: () => void;
}

function stage(options: Partial<PoolOptions<Thing>> = {}, hooks: Partial<PoolOptions<Thing>['factory']> = {}): Stage {
  const made: Stage = {
    destroyed: [],
    ask: () => false,
    lose: () => undefined,
    pool: new Pool<Thing>({
      max: 1,
      factory: {
        create: () => new Thing(),
        destroy: (_thing, { reason }) => void made.destroyed.push(reason),
        isBroken: () => made.ask(),
        onLost: (_thing, lost) => {
          made.lose = lost;
          return () => undefined;
        },
        ...hooks,
      },
      ...options,
    }),
  };
  return made;
}

test('isBroken that tells the loss of an idle one itself: it is destroyed once', async () => {
  const on = stage();
  (await on.pool.acquire()).release();
  on.ask = () => {
    on.ask = () => false;
    on.lose();
    return true;
  };
  expect(on.pool.tryAcquire()).toBeUndefined();
  await turn();
  expect(on.destroyed).toEqual(['broken']);
  expect(on.pool.stats().size).toBe(0);
});

test('isBroken that tells the loss of one that was just reset: it is destroyed once', async () => {
  const on = stage({}, { reset: () => undefined });
  const lease = await on.pool.acquire();
  let asked = 0;
  on.ask = () => {
    if (++asked < 2) return false; // the first time it is asked before the reset
    on.lose();
    return true;
  };
  lease.release();
  await turn();
  expect(on.destroyed).toEqual(['broken']);
  expect(on.pool.stats().size).toBe(0);
});

test('isBroken that tells the loss and says no: nobody in line is given what is lost', async () => {
  const on = stage();
  const lease = await on.pool.acquire();
  const lost = lease.resource;
  const next = on.pool.acquire();
  on.ask = () => {
    on.ask = () => false;
    on.lose();
    return false;
  };
  lease.release();
  expect((await next).resource).not.toBe(lost);
});

test('isBroken that closes the pool: what comes back is destroyed, and close() resolves', async () => {
  const on = stage();
  const lease = await on.pool.acquire();
  let closed: Promise<unknown> | undefined;
  on.ask = () => {
    closed ??= on.pool.close({ deadlineMs: 0 });
    return false;
  };
  lease.release();
  await turn();
  expect(on.pool.state).toBe('closed');
  expect(on.destroyed).toHaveLength(1);
  await closed;
});

test('a shared resource that looked broken for a while can be shared again when it comes back to somebody in line', async () => {
  const on = stage({ sharing: 2 });
  const first = await on.pool.acquire();
  on.ask = () => true;
  const waiting = on.pool.acquire();
  on.ask = () => false;
  first.release();
  const second = await waiting;
  expect(on.pool.tryAcquire()?.resource).toBe(second.resource);
});

test('a listener that makes a resource leave while it is told of a hand-over: its end is seen to', async () => {
  const hangs = new Promise<void>(() => undefined);
  const on = stage({ min: 1, destroyTimeoutMs: 10 }, { destroy: () => hangs });
  const lease = await on.pool.acquire();
  const waiting = on.pool.acquire();
  const unsubscribe = on.pool.on('acquire', (event) => {
    unsubscribe();
    event.lease.release();
    on.ask = () => true;
    on.pool.tryAcquire();
    on.ask = () => false;
  });
  lease.release();
  await waiting;
  const { wakeAt } = Pool.engineOf(on.pool);
  expect(on.pool.stats()).toMatchObject({ destroying: 1, size: 1 });
  expect(wakeAt).toBeLessThanOrEqual(performance.now() + 10);
  await on.pool.close({ deadlineMs: 0 });
});

test('the time of a hook begins with the hook, however long the loop was kept busy before the release', async () => {
  const destroyed: string[] = [];
  const pool = new Pool<Thing>({
    max: 1, resetTimeoutMs: 150, factory: { create: () => new Thing(), destroy: () => undefined, reset: () => sleep(10) },
  });
  pool.on('destroy', ({ reason }) => destroyed.push(reason));
  (await pool.acquire()).release();
  await sleep(50);
  await pool.use(() => {
    const until = performance.now() + 170;
    while (performance.now() < until);
  });
  await sleep(50);
  expect(destroyed).toEqual([]);
});
