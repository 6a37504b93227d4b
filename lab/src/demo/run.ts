// The story from the first line to the last: boot, act one, act two, the page, what it all showed. Whatever happens in it, the server and
// the folders are gone when it is over.
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { relative } from 'node:path';
import pg from 'pg';
import { startPostgres, type PostgresServer } from '../servers/postgres.ts';
import { actOne } from './act-one.ts';
import { actTwo } from './act-two.ts';
import { ownTemporaryFolder } from './folder.ts';
import { count, duration, plural } from '../drawing/format.ts';
import { htmlFile } from './html-file.ts';
import type { Server } from './load/strategy.ts';
import { CUSTOMERS, ORDERS_PER_CUSTOMER, seed } from './load/workload.ts';
import type { Plan } from './options.ts';
import { page, READ_ON } from './report/page.ts';
import type { Results } from './results.ts';
import type { Screen } from '../drawing/terminal/screen.ts';
import { paint, wrap } from '../drawing/terminal/style.ts';
import { closing } from './words.ts';

const DATABASE = 'demo';
const WIDEST_TEXT = 100;

export async function run(plan: Plan, screen: Screen, signal: AbortSignal): Promise<void> {
  const begunMs = performance.now();
  const file = htmlFile(plan.htmlFile);
  const folder = ownTemporaryFolder();
  try {
    const title = `millpond: ${plural(plan.users, 'user')}, one PostgreSQL, ${plural(availableParallelism(), 'core')}`;
    screen.print('', paint(screen.style, title, 'bold'), '');
    const postgres = await step(screen, 'booting a private PostgreSQL', () => startPostgres());
    folder.guard();
    try {
      const results = await acts(plan, postgres, screen, signal);
      writeFileSync(file, page(results));
      await postgres.stop();
      showClosing(results, file, performance.now() - begunMs, screen);
    } finally {
      await postgres.stop();
    }
  } finally {
    screen.rest();
    folder.remove();
  }
}

async function acts(plan: Plan, postgres: PostgresServer, screen: Screen, signal: AbortSignal): Promise<Results> {
  signal.throwIfAborted();
  const { host, port, user, password, database } = postgres;
  const own: Server = { host, port, user, password, database };
  const server: Server = { ...own, database: DATABASE };
  await step(screen, `seeding ${count(CUSTOMERS)} customers, ${count(CUSTOMERS * ORDERS_PER_CUSTOMER)} orders`, async () => {
    await withClient(own, (admin) => admin.query(`create database ${DATABASE}`));
    await withClient(server, seed);
  });
  const first = await withClient(own, (admin) => actOne(plan, postgres, server, admin, screen, signal));
  const outage = await actTwo(plan, postgres, server, screen, signal);
  return { ...first, outage };
}

async function step<T>(screen: Screen, words: string, work: () => Promise<T>): Promise<T> {
  const { style } = screen;
  const begunMs = performance.now();
  screen.draw([`  ${words} ${style.unicode ? '…' : '...'}`]);
  const result = await work();
  screen.print(paint(style, `  ${words}: ${duration(performance.now() - begunMs)}`, 'dim'));
  return result;
}

async function withClient<T>(server: Server, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ ...server });
  client.on('error', () => undefined); // the statement under way rejects with it; without a listener the process would end
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function showClosing(results: Results, file: string, tookMs: number, screen: Screen): void {
  const { style } = screen;
  const width = Math.min(WIDEST_TEXT, screen.columns);
  screen.print('', paint(style, 'What this run showed', 'bold'));
  for (const sentence of closing(results)) screen.print(...wrap(`- ${sentence}`, width, '  '));
  const near = relative(process.cwd(), file);
  screen.print(
    '', `The same with pictures: ${paint(style, near.startsWith('..') ? file : near, 'cyan')} (one file, opens without a network)`,
    ...wrap(READ_ON, width),
    paint(style, `Done in ${duration(tookMs)}; the database and its files are gone.`, 'dim'), '');
}
