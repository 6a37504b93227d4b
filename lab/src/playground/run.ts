// The story of `npm start`: boot a database, let the users in, serve the page, and when it is over leave nothing behind.
import { createConsole } from 'millpond/console';
import pg from 'pg';
import { ownTemporaryFolder } from '../demo/folder.ts';
import { abortableSleep } from '../demo/sleep.ts';
import { count, duration } from '../drawing/format.ts';
import type { Screen } from '../drawing/terminal/screen.ts';
import { paint, wrap } from '../drawing/terminal/style.ts';
import { startPostgres, type PostgresServer } from '../servers/postgres.ts';
import { Trouble } from '../trouble.ts';
import { servePage, type Handler, type Page } from './http.ts';
import { seed, stepsPerMs } from './load/order.ts';
import type { Connect } from './load/ways.ts';
import type { PlaygroundPlan } from './options.ts';
import type { Sample } from './page/wire.ts';
import { Playground } from './playground.ts';
import { DEFAULTS } from './settings.ts';
import { summary } from './summary.ts';
import { LOOK_MS, SETTLE_MS, SIZES } from './sweep.ts';

/** The largest pool, one connection per request beyond it, and who looks on. Who wants more is refused, as everywhere. */
const MAX_CONNECTIONS = 220;
const WIDEST_TEXT = 100;
const FOREVER_MS = 2 ** 31 - 1;
/** Filling a pool takes a moment. */
const FILL_MS = 150;

export async function run(plan: PlaygroundPlan, screen: Screen, signal: AbortSignal): Promise<void> {
  const folder = ownTemporaryFolder();
  try {
    if (!plan.quiet) screen.print('', paint(screen.style, 'millpond: the playground', 'bold'), '', '  booting a private PostgreSQL');
    const server = await startPostgres({
      settings: { max_connections: MAX_CONNECTIONS, shared_buffers: '64MB', autovacuum_naptime: '3s' },
    });
    folder.guard();
    try {
      signal.throwIfAborted();
      await play(plan, server, screen, signal);
    } finally {
      await server.stop();
    }
    if (!plan.quiet) screen.print(paint(screen.style, 'The database and its files are gone.', 'dim'), '');
  } finally {
    screen.rest();
    folder.remove();
  }
}

async function play(plan: PlaygroundPlan, server: PostgresServer, screen: Screen, signal: AbortSignal): Promise<void> {
  const { host, port, user, password, database } = server;
  const connect: Connect = { host, port, user, password, database };
  const perMs = await prepare(connect);
  const playground = new Playground({ server, connect, perMs, settings: { ...DEFAULTS, users: plan.users } });
  // Actions too: whoever may kill the database here may resize its pool as well.
  const console = createConsole({ actions: true });
  let page: Page | undefined;
  try {
    page = await open(playground, plan.port, console.handler);
    if (plan.quiet) screen.print(page.url);
    else say(page.url, plan, screen);
    if (!plan.quiet) follow(playground, screen);
    const begunMs = performance.now();
    signal.addEventListener('abort', () => playground.do('end-sweep'), { once: true });
    // On a machine that is busy with other things filling a pool takes longer than planned; the time that was given counts.
    const over = plan.forMs === undefined ? undefined : setTimeout(() => playground.do('end-sweep'), plan.forMs);
    if (plan.forMs !== undefined) await playground.sweep(...fitting(plan.forMs));
    clearTimeout(over);
    const leftMs = (plan.forMs ?? FOREVER_MS) - (performance.now() - begunMs);
    if (leftMs > 0) await abortableSleep(leftMs, signal);
    signal.throwIfAborted();
  } finally {
    playground.removeAllListeners();
    screen.rest();
    console.close();
    await page?.close();
    await playground.close();
  }
  if (!plan.quiet) screen.print(...summary(playground, plan, screen));
}

/** Tables, and how fast this machine computes. */
async function prepare(connect: Connect): Promise<number> {
  const client = new pg.Client(connect);
  client.on('error', () => undefined); // the statement under way rejects with it
  await client.connect();
  try {
    await seed(client);
    return await stepsPerMs(client);
  } finally {
    await client.end();
  }
}

async function open(playground: Playground, port: number, console: Handler): Promise<Page> {
  try {
    return await servePage(playground, { port, console });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new Trouble(`Port ${port} is taken.`, 'Give --port another one, or leave it out for a free one.', 2);
  }
}

/** Sizes and looks that leave a tenth of the time for what comes after; where it is short, fewer sizes, those that tell most first. */
export function fitting(forMs: number): [sizes: readonly number[], lookMs: number] {
  const each = SETTLE_MS + FILL_MS + LOOK_MS;
  const room = Math.floor(forMs * 0.9 / each);
  if (room >= SIZES.length) return [SIZES, LOOK_MS];
  const chosen = [10, 200, 2, 50, 20, 5, 100, 1].slice(0, Math.max(1, Math.floor(forMs * 0.9 / (SETTLE_MS + FILL_MS + LOOK_MS / 2))));
  return [chosen, LOOK_MS / 2];
}

function say(url: string, plan: PlaygroundPlan, screen: Screen): void {
  const width = Math.min(WIDEST_TEXT, screen.columns);
  const { style } = screen;
  screen.print(
    '', `  Open ${paint(style, url, 'cyan')}`, '',
    ...wrap(`  ${plan.users} users order twenty popular articles through a pool of ${DEFAULTS.size} connections.`, width, '  '), '');
  const steps = plan.forMs === undefined ? [
    'Move "pool size" from 10 to 200 and watch answers per second and p99.',
    '"Try all sizes": throughput against size, and why.',
    'Take the pool away: one connection for all, or one for each request.',
    'Kill the database, or freeze it, and watch it heal.',
    'Leak connections, or hold a long transaction: who holds them, and which errors that makes.',
  ] : [`By itself it tries the sizes of the pool, and ends after ${duration(plan.forMs)}.`];
  for (const [index, step] of steps.entries()) screen.print(...wrap(`  ${index + 1}. ${step}`, width, '     '));
  screen.print('', paint(style, '  Ctrl-C ends it.', 'dim'), '');
}

/** What happens, as lines that stay; and on a terminal one that is drawn anew: the figures of now. */
function follow(playground: Playground, screen: Screen): void {
  playground.on('mark', ({ atMs, text, kind }) => {
    const tone = kind === 'trouble' ? 'red' : kind === 'mended' ? 'green' : 'dim';
    screen.print(paint(screen.style, `  ${duration(atMs)}: ${text}`, tone));
  });
  playground.on('tick', ({ sample }) => screen.draw([`  ${line(sample)}`]));
}

function line({ perSecond, p99, waiting, borrowed, errorsPerSecond, server }: Sample): string {
  const state = server === 'up' ? '' : `database ${server}, `;
  return `${state}${count(perSecond)} answers/s, 99 % within ${duration(p99 ?? NaN)}, ${count(borrowed)} with a connection, ` +
    `${count(waiting)} waiting, ${count(errorsPerSecond)} errors/s`;
}
