// The story of `npm run proxy`: boot a database, put the proxy in front of it, say how to get in; with --for send some clients through and
// let the console say what came of it.
import { createProxy, type EmbeddedProxy, type Row } from '@millpond/proxy';
import { ownTemporaryFolder } from '../demo/folder.ts';
import { abortableSleep } from '../demo/sleep.ts';
import { count, duration, plural } from '../drawing/format.ts';
import type { Screen } from '../drawing/terminal/screen.ts';
import { paint } from '../drawing/terminal/style.ts';
import { percentiles } from '../percentiles.ts';
import { startPostgres, type PostgresServer } from '../servers/postgres.ts';
import { Trouble } from '../trouble.ts';
import { runLoad } from './load.ts';
import type { ProxyPlan } from './options.ts';

/** More than the proxy may have, for those who connect past it to compare. */
const SPARE_CONNECTIONS = 20;
const ADMIN = 'admin';
const FOREVER_MS = 2 ** 31 - 1;
/** Of SHOW POOLS and SHOW STATS, what fits on a line. */
const POOL_COLUMNS = ['database', 'user', 'cl_active', 'cl_waiting', 'sv_active', 'sv_idle', 'maxwait', 'pool_mode'];
const STATS_COLUMNS = ['database', 'total_xact_count', 'total_query_count', 'total_received', 'total_sent', 'total_wait_time'];

export async function run(plan: ProxyPlan, screen: Screen, signal: AbortSignal): Promise<void> {
  const folder = ownTemporaryFolder();
  try {
    screen.print('', paint(screen.style, 'millpond: the proxy', 'bold'), '', '  booting a private PostgreSQL');
    const server = await startPostgres({ settings: { max_connections: plan.servers + SPARE_CONNECTIONS } });
    folder.guard();
    try {
      signal.throwIfAborted();
      await serve(plan, server, screen, signal);
    } finally {
      await server.stop();
    }
    screen.print(paint(screen.style, 'The database and its files are gone.', 'dim'), '');
  } finally {
    screen.rest();
    folder.remove();
  }
}

async function serve(plan: ProxyPlan, server: PostgresServer, screen: Screen, signal: AbortSignal): Promise<void> {
  const proxy = await open(plan, server);
  try {
    const metricsPort = await proxy.proxy.listenHttp();
    say(proxy.port!, metricsPort, server, plan, screen);
    if (plan.forMs === undefined) await abortableSleep(FOREVER_MS, signal);
    else await show(proxy, server, plan, plan.forMs, screen, signal);
    signal.throwIfAborted();
  } finally {
    await proxy.close();
  }
}

async function open(plan: ProxyPlan, server: PostgresServer): Promise<EmbeddedProxy> {
  const { host, port, user, password } = server;
  try {
    return await createProxy({
      databases: { '*': { host, port } },
      settings: {
        listen_port: plan.port, pool_mode: 'transaction', default_pool_size: plan.servers, auth_type: 'scram-sha-256', admin_users: ADMIN,
        // As many as --clients can be, and some who look on.
        max_client_conn: 1100,
      },
      // In place of an auth_file: two users, one password.
      hooks: { authenticate: (who) => (who.user === user || who.user === ADMIN ? { secret: password } : undefined) },
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new Trouble(`Port ${plan.port} is taken.`, 'Give --port another one, or leave it out for a free one.', 2);
  }
}

function say(port: number, metricsPort: number, { user, password, database }: PostgresServer, plan: ProxyPlan, screen: Screen): void {
  const { style } = screen;
  const url = (who: string, name: string): string => paint(style, `postgres://${who}:${password}@127.0.0.1:${port}/${name}`, 'cyan');
  screen.print(
    '', `  clients   psql ${url(user, database)}`, `  console   psql ${url(ADMIN, 'pgbouncer')} -c 'SHOW POOLS'`,
    `  metrics   ${paint(style, `http://127.0.0.1:${metricsPort}/metrics`, 'cyan')}`, '',
    `  As many clients as you like share ${plural(plan.servers, 'server connection')} (pool_mode = transaction).`,
    paint(style, '  Ctrl-C ends it.', 'dim'), '');
}

async function show(
  proxy: EmbeddedProxy, { user, password, database }: PostgresServer, plan: ProxyPlan, forMs: number, screen: Screen, signal: AbortSignal,
): Promise<void> {
  const figures = setTimeout(() => {
    screen.print('  SHOW POOLS, in the middle of it', ...table(proxy.stats().pools, POOL_COLUMNS), '');
  }, forMs / 2);
  try {
    const result = await runLoad({ host: '127.0.0.1', port: proxy.port!, user, password, database }, plan.clients, forMs, signal);
    signal.throwIfAborted();
    const { answers, errors, tookMs, lastedMs } = result;
    const { p50, p99 } = percentiles(tookMs);
    screen.print('  SHOW STATS, at the end', ...table(proxy.stats().databases, STATS_COLUMNS), '',
      `  ${plural(plan.clients, 'client')} over ${plural(plan.servers, 'server connection')} got ${plural(answers, 'answer')} in ` +
      `${duration(lastedMs)}: ${count(answers / lastedMs * 1000)} per second, half of them within ${duration(p50)}, 99 % within ` +
      `${duration(p99)}; ${errors === 0 ? 'no error' : plural(errors, 'error')}.`, '');
  } finally {
    clearTimeout(figures);
  }
}

/** Rows as psql would show them. */
function table(rows: readonly Row[], columns: readonly string[]): string[] {
  const lines = [columns, ...rows.map((row) => columns.map((name) => String(row[name] ?? '')))];
  const widths = columns.map((_name, index) => Math.max(...lines.map((line) => line[index]!.length)));
  return lines.map((line) => `    ${line.map((cell, index) => cell.padStart(widths[index]!)).join('  ')}`);
}
