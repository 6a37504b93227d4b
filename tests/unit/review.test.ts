// Cases that a review found: each failed before it was mended.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { KeyedPool, localBudget, Pool, type BudgetSeat, type Factory } from 'millpond';
import { VirtualClock } from 'millpond/testing';
import { afterEach, describe, expect, it } from 'vitest';

interface Thing { readonly name: string }

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function factory(more: Partial<Factory<Thing>> = {}): Factory<Thing> {
  return { create: () => ({ name: 'thing' }), destroy: () => undefined, ...more };
}

/** Another process: what it sends arrives however long this one is blocked. Prints what `code` writes. */
function other(code: string): ChildProcess {
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(child);
  return child;
}

function blockMs(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('the system clock', () => {
  it('reads the time anew when the loop has slept since the last reading', async () => {
    // Everything that could wake the loop in between is off.
    const pool =
      new Pool<Thing>({ factory: factory({ validate: () => true }), validateAfterIdleMs: 300, idleTimeoutMs: 0, maxLifetimeMs: 0 });
    (await pool.acquire()).release();
    const child = other('setTimeout(() => process.stdout.write("x"), 1500)');
    // The last reading is taken in a timer, behind which the loop goes to sleep.
    setTimeout(() => pool.tryAcquire()?.release(), 150);
    await new Promise<void>((resolve, reject) => {
      child.stdout!.once('data', () => {
        try {
          expect(pool.stats().totals.served).toBe(2);
          expect(pool.tryAcquire()).toBeUndefined();
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
    await pool.close();
  });

  it('refuses whoever is late, also when the loop has not turned since the last reading', async () => {
    const pool = new Pool<Thing>({ factory: factory(), max: 1 });
    const lease = await pool.acquire();
    const late = pool.acquire({ timeoutMs: 100 });
    const inTime = pool.acquire();
    blockMs(150);
    lease.release();
    await expect(late).rejects.toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' });
    (await inTime).release();
    await pool.close();
  });

  it('reads an answer that has arrived before a late timer calls the resource dead', async () => {
    const child = other(`const s = require('net').createServer((c) => { c.on('error', () => {}); c.on('data', (d) => c.write(d)); })
      .listen(0, '127.0.0.1', () => console.log(s.address().port))`);
    const port = Number(String((await once(child.stdout!, 'data'))[0]));
    const pool = new Pool<Socket>({
      max: 1, validateTimeoutMs: 200, validateAfterIdleMs: 0,
      factory: {
        create: () => new Promise((resolve) => {
          const socket = connect(port, '127.0.0.1', () => resolve(socket));
        }),
        destroy: (socket) => void socket.destroy(),
        validate: (socket) => new Promise((resolve) => {
          socket.once('data', () => resolve(true));
          socket.write('?');
        }),
      },
    });
    (await pool.acquire()).release();
    await sleep(5);
    const acquired = pool.acquire();
    // Late by less than a freeze, and from the phase of the loop after which timers come before sockets.
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        blockMs(240);
        resolve();
      });
    });
    const lease = await acquired;
    expect(lease.info.id).toBe(1);
    lease.release();
    await pool.close();
  });

  it('gives a hook up in the end though every wake-up comes late', async () => {
    const clock = new VirtualClock();
    const pool = new Pool<Thing>({
      clock, max: 1, createTimeoutMs: 100, createRetry: false, acquireTimeoutMs: Infinity,
        factory: factory({ create: () => new Promise(() => undefined) }),
    });
    const failed = pool.acquire().then(() => undefined, (error: unknown) => error);
    for (let turn = 0; turn < 5; turn++) await clock.stall(300);
    expect(pool.stats().totals.createErrors).toBeGreaterThan(0);
    expect(await failed).toMatchObject({ code: 'ERR_POOL_CREATE_TIMEOUT' });
    await pool.close({ deadlineMs: 0 });
  });
});

describe('after the end', () => {
  it('a create that comes late sets no timer that keeps the process alive', async () => {
    let finish: (thing: Thing) => void = () => undefined;
    const keeping = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const pool = new Pool<Thing>({
      max: 1,
      factory: factory({ create: () => new Promise((resolve) => (finish = resolve)), destroy: () => new Promise(() => undefined) }),
    });
    const refused = pool.acquire().catch((error: unknown) => error);
    await pool.close({ deadlineMs: 1 });
    await refused;
    const before = keeping();
    finish({ name: 'late' });
    await null;
    expect(pool.stats().destroying).toBe(1);
    expect(keeping()).toBe(before);
  });
});

describe('callers', () => {
  it('an acquire whose signal is aborted by the hook that it started rejects at once', async () => {
    const controller = new AbortController();
    const reason = new Error('gone');
    const pool = new Pool<Thing>({
      clock: new VirtualClock(),
      factory: factory({
        create: () => {
          controller.abort(reason);
          return new Promise(() => undefined);
        },
      }),
    });
    await expect(pool.acquire({ signal: controller.signal })).rejects.toBe(reason);
    expect(pool.stats()).toMatchObject({ waiting: 0, totals: { aborted: 1 } });
    await pool.close({ deadlineMs: 0 });
  });

  it('a thenable that throws counts as one that rejects, in hooks and in use', async () => {
    const bad = { then: () => { throw new Error('no promise'); } } as unknown as Promise<boolean>;
    const clock = new VirtualClock();
    const pool = new Pool<Thing>({ clock, max: 1, validateAfterIdleMs: 0, factory: factory({ validate: () => bad }) });
    await expect(pool.use(() => bad)).rejects.toThrow('no promise');
    expect(pool.stats().borrowed).toBe(0);
    await clock.advance(10);
    const lease = await pool.acquire();
    expect(lease.info.id).toBe(2);
    expect(pool.stats().totals.destroyed.invalid).toBe(1);
    lease.release();
    await pool.close();
  });

  it('min cannot be resized to Infinity', () => {
    const pool = new Pool<Thing>({ factory: factory(), max: Infinity });
    expect(() => pool.resize({ min: Infinity })).toThrow(expect.objectContaining({ option: 'min' }));
  });
});

describe('budgets', () => {
  it('one that throws breaks neither release, acquire nor close; what it granted last stands', async () => {
    const warnings: string[] = [];
    const listen = (warning: Error): void => void warnings.push(warning.message);
    process.on('warning', listen);
    let down = false;
    const seat: BudgetSeat = {
      get limit() {
        if (down) throw new Error('budget down');
        return 1;
      },
      onChange: () => () => undefined,
      want: () => undefined,
      leave: () => { throw new Error('cannot leave'); },
    };
    const pool = new Pool<Thing>({ name: 'budgeted', factory: factory(), max: 2, budget: { join: () => seat } });
    const lease = await pool.acquire();
    down = true;
    expect(lease.release()).toBe(true);
    const again = await pool.acquire();
    await expect(pool.acquire({ timeoutMs: 5 })).rejects.toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' });
    again.release();
    await pool.close();
    await sleep(1);
    process.off('warning', listen);
    expect(warnings.filter((each) => each.includes('budgeted'))).toEqual([
      'The budget of pool "budgeted" threw in limit: budget down', 'The budget of pool "budgeted" threw in leave: cannot leave',
    ]);
  });

  it('what another pool gives back within the asking itself reaches who asked', async () => {
    const clock = new VirtualClock();
    const budget = localBudget({ limit: 1 });
    const [a, b] = [new Pool<Thing>({ factory: factory(), budget, clock }), new Pool<Thing>({ factory: factory(), budget, clock })];
    (await a.acquire()).release();
    const lease = b.acquire();
    await clock.advance(0);
    expect(b.stats()).toMatchObject({ borrowed: 1, waiting: 0 });
    expect(a.stats().size).toBe(0);
    (await lease).release();
    await Promise.all([a.close(), b.close()]);
  });

  it('more pools than resources take turns: none starves', async () => {
    const clock = new VirtualClock();
    const budget = localBudget({ limit: 2 });
    const served = [0, 0, 0, 0, 0];
    const pools =
      served.map(
        () => new Pool<Thing>({ factory: factory({ create: async () => ({ name: 'x' }) }), budget, clock, acquireTimeoutMs: 1_000 }));
    let stop = false;
    const failures: unknown[] = [];
    const callers = pools.flatMap((pool, index) => [1, 2].map(async () => {
      while (!stop) {
        try {
          const lease = await pool.acquire();
          served[index]!++;
          await new Promise<void>((resolve) => clock.schedule(clock.now() + 10, resolve));
          lease.release();
        } catch (error) {
          failures.push(error);
        }
        expect(pools.reduce((sum, each) => sum + each.stats().size, 0)).toBeLessThanOrEqual(2);
      }
    }));
    await clock.advance(3_000);
    stop = true;
    await clock.advance(2_000);
    await Promise.all(callers);
    expect(failures).toEqual([]);
    expect(Math.min(...served)).toBeGreaterThan(0.7 * Math.max(...served));
    await Promise.all(pools.map((pool) => pool.close()));
  });
});

describe('secrets', () => {
  it('stay out of the messages of options, keyed pools and failed creates', async () => {
    const url = 'postgres://user:sek@ret@host/db';
    expect(() => new Pool(url as never)).toThrow('options is a string, but must be an object');
    expect(() => new Pool({ factory: url } as never)).toThrow('factory is a string, but must be an object');
    const texts = [url, '{"password":"sekret"}', 'password: sekret', 'PGPASSWORD=sekret', 'authorization: Bearer sekret'];
    for (const text of texts) {
      const pools = new KeyedPool<string, Thing>({
        createRetry: false, factory: () => factory({ create: () => Promise.reject(new Error(`cannot reach ${text} now`)) }),
      });
      const error = await pools.acquire(url).catch((caught: unknown) => caught as Error);
      expect((error as Error).message).toMatch(/cannot reach .*\*\*\*.* now|cannot reach .*\*\*\*/);
      expect((error as Error).message).not.toMatch(/ret@|sekret/);
      await pools.close();
    }
  });
});

it.each([1, 3])('a server that accepts and closes is not hit by as many connects as the loop can start, at min %i', async (min) => {
  const clock = new VirtualClock();
  let creates = 0;
  const pool = new Pool<object>({
    min, max: 3, clock, random: () => 0.5,
    factory: {
      // One is always on its way while another dies: that it succeeds says nothing.
      create: () => new Promise((resolve) => {
        creates++;
        clock.schedule(clock.now() + (creates === 1 ? 1 : 2), () => resolve({}));
      }),
      destroy: () => undefined,
      onLost: (_resource, lost) => clock.schedule(clock.now() + 1, lost),
    },
  });
  await clock.advance(1000);
  // The first ones at once, as a loss is replaced; then what is missing, once per initial delay of the backoff.
  expect(creates).toBeGreaterThan(5);
  expect(creates).toBeLessThan(15 + 10 * min);
  await pool.close();
});
