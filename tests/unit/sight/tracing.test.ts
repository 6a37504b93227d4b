import { AsyncLocalStorage } from 'node:async_hooks';
import { tracingChannel } from 'node:diagnostics_channel';
import { afterEach, expect, it } from 'vitest';
import { Pool } from 'millpond';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Everything told on a tracing channel, one line each. */
function listen(name: string): string[] {
  const told: string[] = [];
  const note = (moment: string) => (message: unknown): void => {
    const { pool, label = '', result, error } = message as { pool: string; label?: string; result?: unknown; error?: Error };
    const outcome = error?.message ?? (result === undefined ? '' : 'with a result');
    told.push([moment, pool, label, outcome].filter((word) => word !== '').join(' '));
  };
  const handlers = {
    start: note('start'), end: note('end'), asyncStart: note('asyncStart'), asyncEnd: note('asyncEnd'), error: note('error'),
  };
  const channel = tracingChannel(name);
  channel.subscribe(handlers);
  undo.push(() => channel.unsubscribe(handlers));
  return told;
}

function open(factory: Partial<ConstructorParameters<typeof Pool<object>>[0]['factory']>, options = {}): Pool<object> {
  const whole = { create: () => ({}), destroy: () => undefined, ...factory };
  const pool = new Pool<object>({ name: 'traced', max: 1, factory: whole, ...options });
  undo.push(() => pool.close());
  return pool;
}

it('traces acquires and uses, also those without options, from their call to their lease', async () => {
  const told = listen('millpond:pool:acquire');
  const pool = open({});
  (await pool.acquire()).release();
  await pool.use(() => undefined, { label: 'report' });
  expect(told).toEqual([
    'start traced', 'end traced', 'asyncStart traced with a result', 'asyncEnd traced with a result',
    'start traced report', 'end traced report', 'asyncStart traced report with a result', 'asyncEnd traced report with a result',
  ]);
});

it('traces an acquire that is refused as an error', async () => {
  const told = listen('millpond:pool:acquire');
  const pool = open({}, { acquireTimeoutMs: 1 });
  const lease = await pool.acquire();
  told.length = 0;
  await expect(pool.acquire()).rejects.toThrow(/ms/);
  lease.release();
  expect(told.map((line) => line.split(' ')[0])).toEqual(['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
});

it('tells a result that the tracing caller gets as well', async () => {
  const pool = open({});
  const channel = tracingChannel('millpond:pool:acquire');
  let seen: unknown;
  const asyncEnd = (message: object): void => { seen = (message as { result: unknown }).result; };
  const handlers = { start: () => undefined, asyncEnd };
  channel.subscribe(handlers as never);
  undo.push(() => channel.unsubscribe(handlers as never));
  const lease = await pool.acquire();
  expect(seen).toBe(lease);
  lease.release();
});

it('traces creates and validations, those that fail too', async () => {
  const creates = listen('millpond:connection:create');
  const validations = listen('millpond:connection:validate');
  let broken = true;
  const pool = open({
    create: async () => {
      if (broken) throw new Error('no route');
      return {};
    },
    validate: async () => true,
  }, { validateOnAcquire: true, createRetry: false });
  await expect(pool.acquire()).rejects.toThrow(/no route/);
  expect(creates.map((line) => line.replace(' traced', ''))).toEqual([
    'start', 'end', 'error no route', 'asyncStart no route', 'asyncEnd no route',
  ]);
  broken = false;
  creates.length = 0;
  (await pool.acquire()).release();
  (await pool.acquire()).release();
  expect(creates).toEqual(['start traced', 'end traced', 'asyncStart traced with a result', 'asyncEnd traced with a result']);
  expect(validations.slice(-2)).toEqual(['asyncStart traced with a result', 'asyncEnd traced with a result']);
});

it('leaves the hooks their `this`, and a tracer the context of whoever acquires', async () => {
  const store = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  const channel = tracingChannel('millpond:pool:acquire');
  const handlers = { start: () => seen.push(store.getStore()) };
  channel.subscribe(handlers as never);
  undo.push(() => channel.unsubscribe(handlers as never));
  listen('millpond:connection:create');
  class Factory {
    readonly made: object = {};
    create(): object { return this.made; }
    destroy(): void { /* nothing to close */ }
  }
  const factory = new Factory();
  const pool = new Pool({ max: 1, factory });
  undo.push(() => pool.close());
  await store.run('a request', async () => {
    const lease = await pool.acquire();
    expect(lease.resource).toBe(factory.made);
    lease.release();
  });
  expect(seen).toEqual(['a request']);
});
