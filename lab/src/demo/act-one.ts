// Act one: every way of coming by a connection in turn, then the table and the curve of pool sizes.
import { availableParallelism, cpus } from 'node:os';
import type pg from 'pg';
import type { PostgresServer } from '../servers/postgres.ts';
import { COLUMNS } from './columns.ts';
import { axisDuration, short } from '../drawing/format.ts';
import { measure, type Row } from './load/measure.ts';
import type { Server, Strategy } from './load/strategy.ts';
import { pooled } from './load/with-pool.ts';
import { connectionEach, connectionEachLimited, sharedConnection } from './load/without-pool.ts';
import { serverMeter } from './meters/server.ts';
import type { Plan } from './options.ts';
import { doneLine, progressLine } from './progress.ts';
import { poolRows, type Setting } from './results.ts';
import { beside, curve, type Point } from '../drawing/terminal/curve.ts';
import type { Screen } from '../drawing/terminal/screen.ts';
import { paint, wrap } from '../drawing/terminal/style.ts';
import { tables } from '../drawing/terminal/table.ts';

/** Left free of the server's connections: one for looking on, and some for those that are just being closed. */
const SPARE_CONNECTIONS = 10;
const SIDE_BY_SIDE = 100;
const PATIENCE = 1.5;

/** `admin` is a connection for looking on, to another database than the one that is measured. */
export async function actOne(
  plan: Plan, postgres: PostgresServer, server: Server, admin: pg.Client, screen: Screen, signal: AbortSignal,
): Promise<{ rows: Row[]; setting: Setting }> {
  const { style } = screen;
  screen.print('', paint(style, 'Act 1: without and with a pool', 'bold'));
  const setting = await describe(plan, admin);
  const limit = setting.maxConnections - SPARE_CONNECTIONS;
  const strategies: Strategy[] = [
    connectionEach(server), connectionEachLimited(server, limit), sharedConnection(server),
    ...plan.sizes.filter((size) => size <= limit).map((size) => pooled(server, size)),
  ];
  const meter = serverMeter(admin, server.database);
  const rows: Row[] = [];
  for (const strategy of strategies) {
    const row = await measure(strategy, {
      ...plan, ...lookFor(strategy, plan), port: server.port, postmasterPid: postgres.pid, meter, signal,
      onProgress: (progress) => screen.draw([progressLine(strategy.name, progress, screen.columns, style)]),
    });
    screen.print(doneLine(row, style));
    rows.push(row);
  }
  showRows(rows, screen);
  return { rows, setting };
}

/** Where each request opens a connection, answers come late and in waves: a longer look, or it might see none. */
function lookFor({ kind }: Strategy, { warmUpMs, measureMs }: Plan): Pick<Plan, 'warmUpMs' | 'measureMs'> {
  const longer = kind === 'each' || kind === 'eachLimited' ? PATIENCE : 1;
  return { warmUpMs: warmUpMs * longer, measureMs: measureMs * longer };
}

async function describe(plan: Plan, admin: pg.Client): Promise<Setting> {
  const answer = await admin.query<{ version: string; max: number }>(
    "select current_setting('server_version') as version, current_setting('max_connections')::int as max");
  const { version = '', max = 100 } = answer.rows[0] ?? {};
  return {
    users: plan.users, ioMs: plan.ioMs, pauseAfterErrorMs: plan.pauseAfterErrorMs, measureMs: plan.measureMs,
    cores: availableParallelism(), cpuModel: cpus()[0]?.model.trim() || 'unknown processor',
    platform: `${process.platform} ${process.arch}`, node: process.versions.node, postgres: version, maxConnections: max,
    date: new Date().toISOString().slice(0, 10),
  };
}

function showRows(rows: readonly Row[], screen: Screen): void {
  const { style } = screen;
  for (const lines of tables(COLUMNS, rows, style, screen.columns)) screen.print('', ...lines);
  const legend = "opened: sessions, by the server's own count; TIME_WAIT: sockets left behind; CPU in cores, and of both for one answer";
  screen.print(...wrap(legend, screen.columns).map((line) => paint(style, line, 'dim')));
  const pools = poolRows(rows);
  if (pools.length < 2) return;
  const wide = screen.columns >= SIDE_BY_SIDE;
  const width = wide ? Math.min(64, Math.floor(screen.columns / 2) - 2) : Math.min(72, screen.columns);
  const points = (pick: (row: Row) => number): Point[] => pools.map((row) => ({ x: row.connections, y: pick(row) }));
  const shape = { width, height: 10, xTitle: 'connections in the pool' };
  const throughput = curve({
    ...shape, title: 'answers per second', points: points((row) => row.perSecond), yLabel: short, paint: 'cyan',
  }, style);
  const latency = curve({
    ...shape, title: '99 of 100 answers within', points: points((row) => row.latency.p99), yLabel: axisDuration, paint: 'yellow',
  }, style);
  screen.print('', ...(wide ? beside(throughput, latency, 4) : [...throughput, '', ...latency]));
}
