// Our own way of sending statements against node-postgres': the same programs, the same results, the same errors, whatever runs beside
// them.

import { createPgPool, type PgPool, type PgPoolOptions } from 'millpond/pg';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { failureOf, sleep, until } from '../support/postgres.ts';
import { SCHEMA, step, visible, type Step } from '../support/programs.ts';
import { seeded } from '../support/seeded.ts';
import { onEachPostgres, type Stage } from '../support/suite.ts';

const SEED = Number(process.env['MILLPOND_SEED'] ?? 20_261_127);
const STEPS = 1_200;

const WAYS: Readonly<Record<string, Partial<PgPoolOptions>>> = {
  'alone, unprepared': { prepare: false },
  'alone, prepared': {},
  'alone, with a cleaning ahead': { reset: 'discard' },
  'pipelined, unprepared': { pipeline: true, prepare: false },
  'pipelined and prepared': { pipeline: true },
  'pipelined deep, on one connection, three prepared': { pipeline: true, pipelineConnections: 1, pipelineDepth: 200, prepare: 3 },
  'pipelined, every connection soon taken for stuck': { pipeline: true, pipelineStallMs: 1, max: 8 },
};

/** The program as a plain client runs it, one step after the other. */
async function reference(stage: Stage, program: readonly Step[], schema: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: stage.server.connectionString, options: `-c search_path=${schema}` });
  await client.connect();
  await client.query(`CREATE SCHEMA ${schema}; ${SCHEMA}`);
  const seen: unknown[] = [];
  for (const { text, values } of program) {
    const given = typeof text === 'string' ? text : { ...text };
    const [outcome] = await Promise.allSettled([client.query(given as string, values as unknown[])]);
    seen.push(visible(outcome));
  }
  await client.end();
  return seen;
}

const ask = (pool: PgPool, { text, values }: Step): Promise<unknown> => values === undefined ? pool.query(text) : pool.query(text, values);

onEachPostgres('our own statements', (stage) => {
  const random = seeded(SEED);
  const program = Array.from({ length: STEPS }, (_, id) => step(random, id + 1));
  let expected: unknown[] = [];
  let contents: unknown[] = [];

  beforeAll(async () => {
    expected = await reference(stage, program, 'plain');
    contents = await stage.observer.query('SELECT * FROM plain.log ORDER BY id');
  });

  it.each(Object.entries(WAYS))('%s: the same results and the same errors as by node-postgres', async (way, options) => {
    const schema = `way_${Object.keys(WAYS).indexOf(way)}`;
    await stage.observer.query(`CREATE SCHEMA ${schema}; SET search_path = ${schema}; ${SCHEMA}; RESET search_path`);
    await using pool = createPgPool({
      ...stage.options(schema), options: `-c search_path=${schema}`, max: 5, acquireTimeoutMs: 60_000, ...options,
    });
    const order = seeded(SEED + 1);
    const outcomes: PromiseSettledResult<unknown>[] = [];
    // In waves of any size, so that all sorts of things are beside each other, behind each other, and split over the network in all sorts
    // of ways.
    for (let at = 0; at < STEPS;) {
      const size = 1 + Math.floor(order() ** 3 * 300);
      outcomes.push(...await Promise.allSettled(program.slice(at, at + size).map((each) => ask(pool, each))));
      at += size;
    }
    for (let i = 0; i < STEPS; i++) {
      expect(visible(outcomes[i]!), `seed ${SEED}, step ${i}: ${JSON.stringify(program[i]!.text)}`).toEqual(expected[i]);
    }
    expect(await stage.observer.query(`SELECT * FROM ${schema}.log ORDER BY id`)).toEqual(contents);
    // An error costs what a success costs: no connection.
    expect(pool.stats().totals.created).toBeLessThanOrEqual(pool.stats().max);
  });
});

onEachPostgres('our own statements, with everything that can happen to them', (stage) => {
  let killer: pg.Client;
  beforeAll(async () => {
    killer = new pg.Client({ connectionString: stage.server.connectionString, application_name: 'killer' });
    await killer.connect();
    await killer.query(SCHEMA.replace('id int PRIMARY KEY, note', 'id int, note'));
  });
  afterAll(() => killer.end());

  const promise = '%s: each settles, nothing is done twice, and what was confirmed was done';
  it.each(['pipelined', 'alone'])(promise, { timeout: 120_000 }, async (way) => {
    await killer.query('TRUNCATE log');
    const random = seeded(SEED + 2);
    await using pool = createPgPool({
      ...stage.options(way), max: 6, pipeline: way === 'pipelined', pipelineStallMs: 5, acquireTimeoutMs: 60_000,
      createRetry: { maxDelayMs: 100 },
    });
    const confirmed = new Set<number>();
    const unknown = new Set<string>();
    let running = true;
    let next = 0;
    const user = async (): Promise<void> => {
      while (running) {
        const id = ++next;
        const dice = random();
        const leave = new AbortController();
        const options = dice < 0.3 ? { signal: leave.signal } : dice < 0.5 ? { timeoutMs: 1 + random() * 30 } : {};
        if (dice < 0.3) setTimeout(() => leave.abort(), random() * 20);
        const sleepMs = random() < 0.1 ? random() * 30 : 0;
        const insert = 'INSERT INTO log SELECT $1, $2 FROM pg_sleep($3)';
        const failure = await failureOf(pool.query(insert, [id, 'chaos', sleepMs / 1_000], options));
        if (failure === undefined) confirmed.add(id);
        else unknown.add(String(failure.code ?? failure));
        if (random() < 0.05) await pool.transaction((client) => client.query('SELECT 1')).catch(() => undefined);
      }
    };
    const users = Array.from({ length: 40 }, user);
    for (let i = 0; i < 30; i++) {
      await sleep(60);
      await killer.query(KILL_ONE, [way]);
      if (i % 5 === 0) await killer.query(`${ALTER} varchar(100); ${ALTER} text`);
    }
    running = false;
    await Promise.all(users);
    await until('all to come back', () => pool.stats(), (stats) => stats.borrowed === 0 && stats.resetting === 0 && stats.waiting === 0);
    const { rows } = await killer.query<{ id: number; times: number }>('SELECT id, count(*)::int AS times FROM log GROUP BY id');
    const times = new Map(rows.map(({ id, times: count }) => [id, count]));
    expect([...times].filter(([, count]) => count > 1), `seed ${SEED}`).toEqual([]);
    expect([...confirmed].filter((id) => times.get(id) !== 1), `seed ${SEED}`).toEqual([]);
    expect(confirmed.size).toBeGreaterThan(200);
    // Nobody sees what was meant for another: a cancel that hit the wrong one, or a loss of what is prepared.
    expect([...unknown].filter((code) => !EXPECTED.has(code))).toEqual([]);
  });
});

const KILL_ONE = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 ORDER BY random() LIMIT 1';
const ALTER = 'ALTER TABLE log ALTER COLUMN note TYPE';
/** 20 is the code of an AbortError. */
const EXPECTED = new Set(['20', 'ERR_POOL_QUERY_TIMEOUT', 'ERR_POOL_ACQUIRE_TIMEOUT', 'ERR_POOL_CONNECTION_LOST', '57P01']);
