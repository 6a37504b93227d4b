// The controls over HTTP, as the page uses them, on a real server: what is moved is what runs, what is broken shows, and it heals.
import { once } from 'node:events';
import { request } from 'node:http';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '@millpond/lab/postgres';
import { Screen } from '../../lab/src/drawing/terminal/screen.ts';
import { servePage, type Page } from '../../lab/src/playground/http.ts';
import { seed } from '../../lab/src/playground/load/order.ts';
import type { Connect } from '../../lab/src/playground/load/ways.ts';
import type { Hello, Settings, Tick } from '../../lab/src/playground/page/wire.ts';
import { Playground } from '../../lab/src/playground/playground.ts';
import { DEFAULTS } from '../../lab/src/playground/settings.ts';
import { summary } from '../../lab/src/playground/summary.ts';

const FEW: Settings = { ...DEFAULTS, users: 20, pauseMs: 10, cpuMs: 0, size: 4 };

let server: PostgresServer;
let connect: Connect;
let playground: Playground;
let page: Page;

beforeAll(async () => {
  server = await startPostgres();
  const { host, port, user, password, database } = server;
  connect = { host, port, user, password, database };
  await withClient(seed);
});

afterAll(() => server.stop());

beforeEach(async () => {
  if (server.pid === undefined) await server.start();
  playground = new Playground({ server, connect, perMs: 1000, settings: FEW });
  page = await servePage(playground, { port: 0 });
});

afterEach(async () => {
  await page.close();
  await playground.close();
});

async function withClient<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(connect);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The next tick of which that holds. */
async function tick(holds: (tick: Tick) => boolean): Promise<Tick> {
  for (;;) {
    const [now] = await once(playground, 'tick') as [Tick];
    if (holds(now)) return now;
  }
}

async function post(path: string, body: unknown = {}): Promise<Response> {
  return fetch(page.url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
}

const answers = ({ sample }: Tick): boolean => sample.perSecond > 0;
const codes = ({ errors }: Tick): string[] => errors.map(({ code }) => code);
const marks = ({ marks: all }: Tick): string[] => all.map(({ text }) => text);

describe('the controls', () => {
  it('move the size of the pool: the pool has that many, and so has the server', async () => {
    await tick(({ sample }) => sample.borrowed + sample.idle === 4 && sample.perSecond > 0);
    expect(await (await post('settings', { size: 9 })).json()).toMatchObject({ size: 9, users: 20 });
    const grown = await tick(({ sample: { borrowed, idle, backends } }) => borrowed + idle === 9 && backends !== null &&
      backends.running + backends.locked + backends.sleeping + backends.idle === 9);
    expect(playground.pool.stats()).toMatchObject({ min: 9, max: 9 });
    expect(marks(grown)).toContain('pool of 9');
    await post('settings', { size: 2 });
    await tick(({ sample: { borrowed, idle } }) => borrowed + idle === 2);
  });

  it('choose how a request comes by a connection', async () => {
    await tick(answers);
    await post('settings', { handling: 'shared' });
    const one = await tick(({ sample, settings }) => settings.handling === 'shared' && sample.perSecond > 0 && sample.waiting > 0);
    expect(one.sample.borrowed).toBe(1);
    await tick(() => playground.pool.stats().size === 0);

    await post('settings', { handling: 'each', users: 5 });
    await tick(({ sample, settings }) => settings.handling === 'each' && sample.perSecond > 0);
    const sessions = (): Promise<number> => withClient(async (client) => {
      const { rows } = await client.query<{ n: number }>(
        'select sessions::int as n from pg_stat_database where datname = current_database()');
      return rows[0]!.n;
    });
    const before = await sessions();
    const { ok } = playground.gauge;
    await tick(() => playground.gauge.ok >= ok + 50);
    await expect.poll(sessions, { timeout: 30_000 }).toBeGreaterThanOrEqual(before + 50);

    await post('settings', { handling: 'pool' });
    await tick(({ sample, settings }) => settings.handling === 'pool' && sample.perSecond > 0 && sample.borrowed + sample.idle === 4);
    expect(playground.gauge.failed).toBe(0);
  });

  it('move the load: what a query costs, who asks, and how often', async () => {
    await tick(answers);
    await post('settings', { sleepMs: 100, pauseMs: 0, users: 8 });
    const slow = await tick(({ sample }) => sample.p50 !== null && sample.p50 >= 190 && (sample.backends?.sleeping ?? 0) > 0);
    expect(slow.sample.waiting).toBeLessThanOrEqual(8);
    await post('settings', { users: 0 });
    await tick(({ sample }) => sample.perSecond === 0 && sample.longestMs === 0 && sample.borrowed === 0);
    await post('settings', { users: 3, sleepMs: 0 });
    await tick(answers);
  });

  it('refuse what makes no sense, and whoever comes from elsewhere', async () => {
    const refused = async (path: string, body: unknown): Promise<unknown> => {
      const response = await post(path, body);
      return [response.status, await response.json()];
    };
    expect(await refused('settings', { size: 0 })).toEqual([400, { error: 'size is a whole number from 1 to 200.' }]);
    expect(await refused('settings', { users: 1.5 })).toEqual([400, { error: 'users is a whole number from 0 to 1000.' }]);
    expect(await refused('settings', { handling: 'none' })).toEqual([400, { error: 'handling is one of pool, shared, each.' }]);
    expect(await refused('settings', { toString: 1 })).toEqual([400, { error: 'There is no setting "toString".' }]);
    expect(await refused('settings', [])).toEqual([400, { error: 'Settings are an object.' }]);
    expect(await refused('acts/explode', {})).toEqual([404, { error: 'There is no act "explode".' }]);
    expect((await fetch(`${page.url}../playground.ts`)).status).toBe(404);
    expect((await fetch(`${page.url}toString`)).status).toBe(404);
    expect((await fetch(`${page.url}settings`, { method: 'POST', body: '{"size":7}' })).status).toBe(415);
    expect(playground.settings).toEqual(FEW);

    const statusWith = (headers: Record<string, string>): Promise<number | undefined> => new Promise((resolve, reject) => {
      const asked = request(`${page.url}acts/kill`, { method: 'POST', headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      asked.once('error', reject).end();
    });
    expect(await statusWith({ host: 'made-up.example' })).toBe(403);
    expect(await statusWith({ origin: 'http://elsewhere.example' })).toBe(403);
    expect(server.pid).toBeDefined();
  });

  it('are told in whole to whoever comes, and in a stream to whoever stays', async () => {
    await tick(answers);
    const hello = await (await fetch(`${page.url}state`)).json() as Hello;
    expect(hello).toMatchObject({ settings: FEW, limits: { size: { least: 1, most: 200 } }, patienceMs: 3000 });
    expect(hello.history.length).toBeGreaterThan(0);
    const leaving = new AbortController();
    const stream = await fetch(`${page.url}events`, { signal: leaving.signal });
    let text = '';
    for await (const chunk of stream.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.includes('event: tick\n')) break;
    }
    leaving.abort();
    expect(text).toMatch(/^event: hello\n/);
    await tick(() => page.watched() === 0);
  });
});

describe('trouble', () => {
  it('freezing the database makes requests give up in time and in words; thawed, it heals', async () => {
    await tick(answers);
    await post('acts/freeze');
    const frozen = await tick((now) => codes(now).includes('ERR_POOL_ACQUIRE_TIMEOUT') && codes(now).includes('ERR_POOL_QUERY_TIMEOUT'));
    expect(frozen.sample).toMatchObject({ server: 'frozen', perSecond: 0, backends: null });
    expect(frozen.sample.p99).toBeGreaterThanOrEqual(2700);
    await post('acts/thaw');
    const healed = await tick((now) => now.sample.server === 'up' && answers(now));
    expect(marks(healed)).toEqual(expect.arrayContaining(['database frozen', 'database thawed']));
  });

  it('killing the database makes errors at once; started again, it heals without a hand in the pool', async () => {
    await tick(answers);
    await post('acts/kill');
    const down = await tick((now) => codes(now).includes('ERR_POOL_UNAVAILABLE'));
    expect(down.sample.server).toBe('down');
    expect(down.errors.find(({ code }) => code === 'ERR_POOL_UNAVAILABLE')?.message).toContain('ECONNREFUSED');
    await post('acts/start');
    await tick((now) => now.sample.server === 'up' && answers(now) && now.sample.borrowed + now.sample.idle === 4);
  });

  it('leaking all connections makes requests hang, and the error names who holds them', async () => {
    await tick(answers);
    for (let leak = 1; leak <= 4; leak += 1) {
      await post('acts/leak');
      await tick(({ leaked }) => leaked === leak);
    }
    const hanging = await tick((now) => codes(now).includes('ERR_POOL_ACQUIRE_TIMEOUT') && now.holders.length === 4);
    expect(hanging.holders.map(({ label }) => label)).toEqual(Array<string>(4).fill('GET /report (forgot its release)'));
    expect(hanging.errors[0]?.message).toContain('4 of 4 borrowed');
    expect(hanging.errors[0]?.message).toContain('GET /report (forgot its release)');
    await post('acts/give-back');
    await tick((now) => now.leaked === 0 && answers(now));
  });

  it('a long transaction holds a row: the sessions wait for its lock until it is let go', async () => {
    await post('settings', { rows: 1 });
    await tick(answers);
    await post('acts/transaction');
    const stuck = await tick(({ sample, holders }) =>
      sample.perSecond === 0 && (sample.backends?.locked ?? 0) >= 3 && holders.some(({ label }) => label.startsWith('nightly job')));
    expect(stuck.transaction).toBe(true);
    await post('acts/end-transaction');
    await tick((now) => !now.transaction && answers(now));
  });
});

describe('the sizes', () => {
  it('are tried one after the other; each leaves a point, and the setting is as before', async () => {
    await tick(answers);
    await playground.sweep([1, 3], 600);
    const { curve, settings, sweep } = playground.look();
    expect(curve.points.map(({ size }) => size)).toEqual(expect.arrayContaining([1, 3]));
    for (const { perSecond, p99 } of curve.points) expect(Math.min(perSecond, p99)).toBeGreaterThan(0);
    expect(curve.words.length).toBeGreaterThan(0);
    expect(settings).toEqual(FEW);
    const screen = new Screen({ write: () => true, columns: 90 }, { live: false, unicode: true, color: false });
    const plan = { port: 0, forMs: 20_000, users: 20, quiet: false };
    const said = summary(playground, plan, screen).join('\n');
    expect(said).toMatch(/^ +3 {2}/m);
    expect(said).toContain('99 of 100 answers within');
    expect(said).toContain(curve.words[0]!.slice(0, 14));
    expect(sweep).toBeNull();
  });

  it('are tried no further when somebody moves a control, which then has the last word', async () => {
    await tick(answers);
    await post('acts/sweep');
    await tick(({ sweep }) => sweep !== null);
    await post('settings', { size: 7 });
    await tick(({ sweep, settings }) => sweep === null && settings.size === 7);
  });

  it('step back as soon as the load is another', async () => {
    await tick(({ curve }) => curve.points.length === 1);
    await post('settings', { cpuMs: 0.2 });
    const { curve } = await tick(({ settings }) => settings.cpuMs === 0.2);
    expect(curve.points).toEqual([]);
    expect(curve.before.map(({ size }) => size)).toEqual([4]);
  });
});
