// A process of a fleet: `fork`ed, and driven by orders. It ends when whoever started it is gone.
import { createClient } from '@redis/client';
import { AcquireTimeoutError, type Clock } from 'millpond';
import { postgresBudget, redisBudget, type FleetBudget } from 'millpond/fleet';
import { createPgPool } from 'millpond/pg';
import pg from 'pg';
import type { BudgetOrder, Database, Load, Order, Report, Said, Share } from './order.ts';

const REPORT_MS = 100;
/** A process that is far behind does not take more on. */
const MOST_AT_ONCE = 2_000;
const FAREWELL_MS = 1_000;
const TOO_MANY_CONNECTIONS = '53300';

interface Opened {
  readonly request: (busyMs: number) => Promise<unknown>;
  readonly held: () => number;
  readonly may: () => number;
  readonly close: () => Promise<unknown>;
}

const SLEEP = 'SELECT pg_sleep($1)';

let opened: Opened | undefined;
let load: Load = { perSecond: 0, busyMs: 1 };
let nextAtMs = 0;
let running = 0;
let [served, refused, late] = [0, 0, 0];
let lost: string[] = [];
let tookMs: number[] = [];

function say(what: Said): void {
  process.send?.(what);
}

process.on('disconnect', () => process.exit());
process.on('message', (order: Order) => void obey(order));

async function obey(order: Order): Promise<void> {
  if (order.do === 'open') {
    opened = await open(order.database, order.share, order.name, order.deadlineMs);
    setInterval(report, REPORT_MS);
    say({ said: 'opened' });
  } else if (order.do === 'load') {
    const wasIdle = load.perSecond === 0;
    ({ load } = order);
    nextAtMs = performance.now() + untilNext();
    if (wasIdle) arrive();
  } else {
    load = { ...load, perSecond: 0 };
    await opened?.close();
    report();
    say({ said: 'closed' });
    process.disconnect();
  }
}

async function open(database: Database, share: Share, name: string, deadlineMs: number): Promise<Opened> {
  if (share.by === 'pg.Pool') {
    const pool = new pg.Pool({
      ...database, max: share.max, application_name: name, connectionTimeoutMillis: deadlineMs,
    });
    pool.on('error', () => undefined); // told by the request that meets it
    return {
      request: (busyMs) => pool.query(SLEEP, [busyMs / 1_000]), held: () => pool.totalCount, may: () => share.max, close: () => pool.end(),
    };
  }
  const { budget, leave } = await budgetOf(database, share.budget, name);
  const pool = createPgPool({
    ...database, name, application_name: name, max: share.max, acquireTimeoutMs: deadlineMs, budget,
    ...(share.budget.deadManMs > 0 ? { sessionIdleTimeoutMs: share.budget.deadManMs } : {}),
  });
  return {
    request: (busyMs) => pool.query(SLEEP, [busyMs / 1_000]),
    held: () => pool.stats().size,
    may: () => Math.min(share.max, budget.stats()[0]?.leased ?? 0),
    async close() {
      await pool.close({ deadlineMs: 1_000 });
      await leave();
    },
  };
}

async function budgetOf(
  database: Database, { redisPort, asking = database, clockRate = 1, key, ...terms }: BudgetOrder, name: string,
): Promise<{ budget: FleetBudget; leave: () => Promise<unknown> }> {
  const options = { ...terms, key, name, ...(clockRate === 1 ? {} : { clock: clockAt(clockRate) }) };
  if (redisPort === undefined) {
    const pool = new pg.Pool({ ...asking, max: 1 });
    pool.on('error', () => undefined);
    return { budget: postgresBudget(pool, options), leave: () => pool.end() };
  }
  const client = createClient({ socket: { host: '127.0.0.1', port: redisPort, reconnectStrategy: 100 }, disableOfflineQueue: true });
  client.on('error', () => undefined); // it connects again by itself
  // A fleet begins without its coordinator too.
  client.connect().catch(() => undefined);
  return { budget: redisBudget(client, options), leave: () => farewell(client.close()) };
}

/** The last heartbeat is still on its way; where nobody answers, it is not waited for. */
async function farewell(closed: Promise<unknown>): Promise<void> {
  await Promise.race([closed.catch(() => undefined), new Promise((resolve) => { setTimeout(resolve, FAREWELL_MS); })]);
}

/** A clock that runs faster or slower than the true one. */
function clockAt(rate: number): Clock {
  const now = (): number => performance.now() * rate;
  return {
    now,
    schedule(atMs, callback, keepAlive = true) {
      const timer = setTimeout(callback, Math.max(1, Math.ceil((atMs - now()) / rate)));
      if (!keepAlive) timer.unref();
      return () => clearTimeout(timer);
    },
  };
}

/** Poisson. */
function untilNext(): number {
  return load.perSecond === 0 ? Infinity : (-Math.log(1 - Math.random()) * 1_000) / load.perSecond;
}

function arrive(): void {
  const now = performance.now();
  for (; nextAtMs <= now; nextAtMs += untilNext()) void request(nextAtMs);
  if (nextAtMs < Infinity) setTimeout(arrive, nextAtMs - now);
}

async function request(arrivedMs: number): Promise<void> {
  if (running >= MOST_AT_ONCE) {
    late++;
    return;
  }
  running++;
  try {
    await opened!.request(load.busyMs);
    served++;
    tookMs.push(performance.now() - arrivedMs);
  } catch (error) {
    const { code, message } = error as { readonly code?: unknown; readonly message: string };
    if (code === TOO_MANY_CONNECTIONS || message.includes('too many connections')) refused++;
    else if (error instanceof AcquireTimeoutError || message.includes('timeout exceeded when trying to connect')) late++;
    else lost.push(message);
  } finally {
    running--;
  }
}

function report(): void {
  if (opened === undefined) return;
  const report: Report = { served, refused, late, lost, tookMs, running, held: opened.held(), may: opened.may() };
  say({ said: 'report', report });
  [served, refused, late, lost, tookMs] = [0, 0, 0, [], []];
}
