// The story from the first line to the last: boot, act one, the table and the curve, act two, the page, what it all showed.
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import pg from 'pg';
import { startPostgres, type PostgresServer } from '../servers/postgres.ts';
import { COLUMNS } from './columns.ts';
import { axisDuration, count, duration, short } from './format.ts';
import { measure, type Row } from './load/measure.ts';
import type { Server, Strategy } from './load/strategy.ts';
import { pooled } from './load/with-pool.ts';
import { connectionEach, connectionEachLimited, sharedConnection } from './load/without-pool.ts';
import { CUSTOMERS, ORDERS_PER_CUSTOMER, seed } from './load/workload.ts';
import { serverMeter } from './meters/server.ts';
import { DEFAULT_HTML, type Plan } from './options.ts';
import { outage } from './outage/outage.ts';
import { recovery, type Outage } from './outage/timeline.ts';
import { outageView } from './outage/view.ts';
import { doneLine, progressLine } from './progress.ts';
import { page, READ_ON } from './report/page.ts';
import { poolRows, type Results, type Setting } from './results.ts';
import { beside, curve } from './terminal/curve.ts';
import type { Screen } from './terminal/screen.ts';
import { paint, wrap } from './terminal/style.ts';
import { tables } from './terminal/table.ts';
import { closing } from './words.ts';

const DATABASE = 'demo';
/** Left free of the server's connections: one for looking on, and some for those that are just being closed. */
const SPARE_CONNECTIONS = 10;
const SIDE_BY_SIDE = 100;

export async function run(plan: Plan, screen: Screen, signal: AbortSignal): Promise<void> {
  const { style } = screen;
  const begun = performance.now();
  screen.print('', paint(style, `millpond: ${count(plan.users)} users, one PostgreSQL, ${availableParallelism()} cores`, 'bold'), '');
  const postgres = await step(screen, 'booting a private PostgreSQL', () => startPostgres());
  try {
    signal.throwIfAborted();
    const server: Server = { host: postgres.host, port: postgres.port, user: postgres.user, password: postgres.password, database: DATABASE };
    const seeding = `seeding ${count(CUSTOMERS)} customers, ${count(CUSTOMERS * ORDERS_PER_CUSTOMER)} orders`;
    await step(screen, seeding, () => prepare(postgres, server));
    const { rows, setting } = await actOne(plan, postgres, server, screen, signal);
    showRows(rows, screen);
    const seen = await actTwo(plan, postgres, server, screen, signal);
    const results: Results = { setting, rows, outage: seen };
    const file = writePage(plan, results);
    showClosing(results, file, performance.now() - begun, screen);
  } finally {
    screen.rest();
    await postgres.stop();
  }
}

async function step<T>(screen: Screen, words: string, work: () => Promise<T>): Promise<T> {
  const { style } = screen;
  const begun = performance.now();
  screen.draw([`  ${words} ${style.unicode ? '…' : '...'}`]);
  const result = await work();
  screen.print(paint(style, `  ${words}: ${duration(performance.now() - begun)}`, 'dim'));
  return result;
}

async function prepare(postgres: PostgresServer, server: Server): Promise<void> {
  await withClient({ ...server, database: postgres.database }, (admin) => admin.query(`create database ${DATABASE}`));
  await withClient(server, seed);
}

async function withClient<T>(server: Server, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ ...server });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

// ----------------------------------------------------------------------------------------------------------------------- act one

async function actOne(
  plan: Plan, postgres: PostgresServer, server: Server, screen: Screen, signal: AbortSignal,
): Promise<{ rows: Row[]; setting: Setting }> {
  const { style } = screen;
  screen.print('', paint(style, 'Act 1: without and with a pool', 'bold'));
  return withClient({ ...server, database: postgres.database }, async (admin) => {
    const setting = await describe(plan, admin);
    const limit = setting.maxConnections - SPARE_CONNECTIONS;
    const strategies: Strategy[] = [
      connectionEach(server), connectionEachLimited(server, limit), sharedConnection(server),
      ...plan.sizes.filter((size) => size <= limit).map((size) => pooled(server, size)),
    ];
    const rows: Row[] = [];
    for (const strategy of strategies) {
      const row = await measure(strategy, {
        ...plan, port: server.port, postmasterPid: postgres.pid, meter: serverMeter(admin, DATABASE), signal,
        onProgress: (progress) => screen.draw([progressLine(strategy.name, progress, screen.columns, style)]),
      });
      screen.print(doneLine(row, style));
      rows.push(row);
    }
    return { rows, setting };
  });
}

async function describe(plan: Plan, admin: pg.Client): Promise<Setting> {
  const answer = await admin.query<{ version: string; max: number }>(
    "select current_setting('server_version') as version, current_setting('max_connections')::int as max");
  const { version = '', max = 100 } = answer.rows[0] ?? {};
  return {
    users: plan.users, ioMs: plan.ioMs, pauseAfterErrorMs: plan.pauseAfterErrorMs, measureMs: plan.measureMs, quick: plan.quick,
    cores: availableParallelism(), cpuModel: cpus()[0]?.model.trim() || 'unknown processor', memoryBytes: totalmem(),
    platform: `${process.platform} ${process.arch}`, node: process.versions.node, postgres: version, maxConnections: max,
    date: new Date().toISOString().slice(0, 10),
  };
}

function showRows(rows: readonly Row[], screen: Screen): void {
  const { style } = screen;
  for (const lines of tables(COLUMNS, rows, style, screen.columns)) screen.print('', ...lines);
  screen.print(paint(style, 'opened: sessions, by the server\'s own count; TIME_WAIT: sockets left behind; CPU in cores, and of both sides for one answer', 'dim'));
  const pools = poolRows(rows);
  if (pools.length < 2) return;
  const wide = screen.columns >= SIDE_BY_SIDE;
  const shape = { width: wide ? Math.min(64, Math.floor(screen.columns / 2) - 2) : Math.min(72, screen.columns), height: 10, xTitle: 'connections in the pool' };
  const throughput = curve({
    ...shape, title: 'answers per second', points: pools.map((row) => ({ x: row.connections, y: row.perSecond })), yLabel: short, paint: 'cyan',
  }, style);
  const latency = curve({
    ...shape, title: '99 of 100 answers within', points: pools.map((row) => ({ x: row.connections, y: row.latency.p99 })), yLabel: axisDuration, paint: 'yellow',
  }, style);
  screen.print('', ...(wide ? beside(throughput, latency, 4) : [...throughput, '', ...latency]));
}

// ----------------------------------------------------------------------------------------------------------------------- act two

async function actTwo(plan: Plan, postgres: PostgresServer, server: Server, screen: Screen, signal: AbortSignal): Promise<Outage> {
  const { style } = screen;
  const { size } = plan.outage;
  const lengthMs = plan.outage.calmMs + plan.outage.downMs + plan.outage.afterMs;
  screen.print('', paint(style, `Act 2: the database is killed under ${count(plan.users)} users on ${size} connections`, 'bold'), '');
  const said = new Set<string>();
  const result = await outage(postgres, server, {
    ...plan, ...plan.outage, signal,
    onSample: (samples, events) => {
      screen.draw(outageView({ samples, events, lengthMs, size, width: screen.columns }, style));
      if (!style.live) narrate(screen, samples, events, said);
    },
  });
  screen.rest();
  if (!style.live) screen.print('');
  screen.print(...outageView({ ...result, lengthMs, width: screen.columns }, style));
  const { before } = recovery(result);
  const kinds = result.errorKinds.slice(0, 3).map(([kind, times]) => `${count(times)} x "${kind}"`).join(', ');
  screen.print(
    ...wrap(`Before: ${count(before)} answers/s. Errors: ${count(result.errors)}${kinds ? ` (${kinds})` : ''}. Connection attempts: ` +
      `${count(result.attempts.total)}, at most ${result.attempts.peak} at once (maxCreating ${result.maxCreating}).`, Math.min(110, screen.columns)));
  return result;
}

/** Without a terminal there is nothing to redraw: a line per second, and one per event. */
function narrate(screen: Screen, samples: Parameters<typeof outageView>[0]['samples'], events: Parameters<typeof outageView>[0]['events'], said: Set<string>): void {
  const last = samples.at(-1);
  if (!last) return;
  const lines: [string, string][] = [
    ['killed', events.killedMs === undefined ? '' : `killed with SIGKILL at ${duration(events.killedMs)}`],
    ['restarted', events.restartedMs === undefined ? '' : `started again at ${duration(events.restartedMs)}`],
    ['first', events.firstOkMs === undefined ? '' : `first answer at ${duration(events.firstOkMs)}`],
    [`second ${Math.floor(last.atMs / 1000)}`, last.atMs < 1000 ? '' :
      `${duration(last.atMs)}: ${count(last.ok / (last.spanMs / 1000))} answers/s, ${last.connections} connections, ${last.connecting} connecting, ${count(last.waiting)} waiting`],
  ];
  for (const [key, words] of lines) {
    if (words === '' || said.has(key)) continue;
    said.add(key);
    screen.print(`  ${words}`);
  }
}

// --------------------------------------------------------------------------------------------------------------------- the end

function writePage(plan: Plan, results: Results): string {
  const text = page(results);
  if (plan.htmlFile !== undefined) return write(resolve(plan.htmlFile), text);
  try {
    return write(DEFAULT_HTML, text);
  } catch {
    return write(join(tmpdir(), 'millpond-demo.html'), text); // the checkout is read-only
  }
}

function write(file: string, text: string): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

function showClosing(results: Results, file: string, tookMs: number, screen: Screen): void {
  const { style } = screen;
  const width = Math.min(100, screen.columns);
  screen.print('', paint(style, 'What this run showed', 'bold'));
  for (const sentence of closing(results)) screen.print(...wrap(`- ${sentence}`, width, '  '));
  const near = relative(process.cwd(), file);
  screen.print(
    '', `The same with pictures: ${paint(style, near.startsWith('..') ? file : near, 'cyan')} (one file, opens without a network)`,
    ...wrap(READ_ON, width),
    paint(style, `Done in ${duration(tookMs)}; the database and its files are gone.`, 'dim'), '');
}
