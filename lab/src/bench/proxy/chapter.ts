// The proxy beside PgBouncer: what a transaction through it costs, by how clients ask; a connection, a megabyte, and a client that is idle.

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from '../../servers/certificate.ts';
import { hasPostgres, startPostgres } from '../../servers/postgres.ts';
import type { ProgramServer } from '../../servers/program.ts';
import type { BenchContext, Chapter, ChapterResult, Section } from '../chapter.ts';
import { figure, target } from '../harness/statistics.ts';
import { clientsThatFit, idleBytes } from './idle.ts';
import { clientProgram, copy, fill, pgbench, prepare, type Load, type Measured, type Target } from './loads.ts';
import { contenders, findPgbouncer, IDS, MAX_CLIENTS, POOL_SIZE, type Contender, type Place } from './poolers.ts';
import { reasonOf, sectionOf, type Group } from './tables.ts';
import { inTurns } from './turns.ts';

const ROUNDS = 5;
const IDLE_ROUNDS = 3;
/** The first of them is for connecting, and is not counted. */
const SECONDS = 3;
const QUICK_SECONDS = 2;
const CLIENTS = [8, 64, 256, 1000] as const;
/** A process of the server for each is no fair fight, and hard on the machine. */
const MOST_DIRECT = 256;
const IDLE_CLIENTS = 10_000;
const COPY_ROWS = 600_000;
const COPY_TABLE = 'bench_copy';
const COPY_SINK = 'bench_sink';

const about = 'pgbench through @millpond/proxy and through PgBouncer, on the same configuration: transaction pooling, '
  + `${POOL_SIZE} server connections, one private PostgreSQL.`;

const NOTES = [
  'CPU is that of the pooler: user and system time of all its threads and processes, for each transaction. Where clients, pooler and '
    + 'server share few cores, throughput says how much is left for the others, and CPU says why.',
  'Nobody asks for a password: what is measured is not cryptography. Named statements are kept in transaction mode by '
    + 'those who can. "connecting" opens a connection for every transaction, and closes it.',
  'The memory of an idle client is resident memory over the number of clients: of a process with a collector it includes what was not '
    + 'collected yet.',
];

interface Running {
  readonly contender: Contender;
  readonly target: Target;
}

class Stage {
  readonly context: BenchContext;
  readonly place: Place;
  readonly running: readonly Running[];
  readonly rounds: number;

  constructor(context: BenchContext, place: Place, running: readonly Running[]) {
    this.context = context;
    this.place = place;
    this.running = running;
    this.rounds = context.rounds ?? (context.quick ? 1 : ROUNDS);
  }

  targetOf({ id }: Contender): Target {
    return this.running.find(({ contender }) => contender.id === id)!.target;
  }

  /** One load on all that can take it. */
  async group(what: string, load: Load, mostCpu: number, prepared = false): Promise<Group> {
    const absent = new Map<string, string>();
    for (const { contender } of this.running) {
      if (contender.start === undefined && load.clients > MOST_DIRECT) absent.set(contender.id, 'not tried');
      if (contender.start === undefined && load.tls === true) absent.set(contender.id, 'not tried');
      if (prepared && !contender.prepares) absent.set(contender.id, 'cannot');
    }
    const seconds = this.context.quick ? QUICK_SECONDS : SECONDS;
    const all = this.running.map(({ contender }) => contender);
    const taken = await inTurns<Measured>(this.context, {
      what, contenders: all.filter(({ id }) => !absent.has(id)), rounds: this.rounds, warmUp: !this.context.quick,
      measure: (contender) => pgbench(this.targetOf(contender), load, seconds, this.context.signal),
    });
    // All have a row in every section.
    const whole = all.map((contender) => taken.find((one) => one.contender === contender)
      ?? { contender, measured: [], failed: undefined });
    return { id: `at${load.clients}`, head: `${load.clients} clients`, taken: whole, absent, mostCpu };
  }
}

async function transactions(stage: Stage): Promise<Section[]> {
  const simple: Group[] = [];
  const prepared: Group[] = [];
  for (const clients of CLIENTS) {
    simple.push(await stage.group(`simple, ${clients} clients`, { clients, args: ['-S'] }, 1.1));
    prepared.push(await stage.group(`prepared, ${clients} clients`, { clients, args: ['-S', '-M', 'prepared'] }, 1.1, true));
  }
  const connecting = [await stage.group('connecting', { clients: 64, args: ['-S', '-C'] }, 1.7)];
  const secure = [await stage.group('TLS', { clients: 64, args: ['-S'], tls: true }, 1.4)];
  const unit = 'transactions';
  return [
    sectionOf({
      id: 'simple', title: 'A lookup by key', unit, groups: simple,
      note: 'One operation is a SELECT by key, as a simple query (`pgbench -S`).',
    }),
    sectionOf({
      id: 'prepared', title: 'A prepared lookup', unit, groups: prepared,
      note: 'The same as a named statement that each client has prepared once (`pgbench -S -M prepared`).',
    }),
    sectionOf({
      id: 'connecting', title: 'A connection for every lookup', unit, groups: connecting,
      note: 'One operation is a connection, a SELECT by key, and the end of the connection (`pgbench -S -C`).',
    }),
    sectionOf({
      id: 'tls', title: 'A lookup over TLS', note: 'Clients speak TLS 1.3 to the pooler, the pooler speaks plainly to the server.', unit,
      groups: secure,
    }),
  ];
}

async function copies(stage: Stage): Promise<Section> {
  const { context } = stage;
  const folder = mkdtempSync(join(tmpdir(), 'millpond-copy-'));
  const file = join(folder, 'rows');
  const straight = serverTarget(stage.place);
  try {
    const rows = context.quick ? COPY_ROWS / 10 : COPY_ROWS;
    prepare(straight, [
      `CREATE UNLOGGED TABLE ${COPY_TABLE} AS SELECT i AS id, repeat(md5(i::text), 4) AS words FROM generate_series(1, ${rows}) AS i`,
      `CREATE UNLOGGED TABLE ${COPY_SINK} (id integer, words text)`,
      `\\copy ${COPY_TABLE} to '${file}'`,
    ]);
    const megabytes = statSync(file).size / 1e6;
    const all = stage.running.map(({ contender }) => contender);
    const plan = { contenders: all, rounds: stage.rounds, warmUp: !context.quick };
    const out = await inTurns<Measured>(context, {
      ...plan, what: 'COPY out',
      measure: (one) => copy(stage.targetOf(one), `SELECT * FROM ${COPY_TABLE}`, megabytes, undefined, context.signal),
    });
    const into = await inTurns<Measured>(context, {
      ...plan, what: 'COPY in',
      measure: (one) => {
        prepare(straight, [`TRUNCATE ${COPY_SINK}`]);
        return copy(stage.targetOf(one), COPY_SINK, megabytes, file, context.signal);
      },
    });
    return sectionOf({
      id: 'copy', title: 'COPY', unit: 'MB', note: `One operation is a megabyte of text, of ${Math.round(megabytes)} in one COPY by psql.`,
      groups: [
        { id: 'out', head: 'out', taken: out, mostCpu: 0.7 }, { id: 'in', head: 'in', taken: into, mostCpu: 0.7 },
      ],
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** In processes that have done nothing else. */
async function idle({ context, place, running }: Stage): Promise<Section> {
  const clients = clientsThatFit(context.quick ? 500 : Math.min(IDLE_CLIENTS, MAX_CLIENTS - 100));
  const taken = await inTurns<number>(context, {
    what: `${clients} idle clients`, rounds: context.quick ? 1 : IDLE_ROUNDS, warmUp: false,
    contenders: running.map(({ contender }) => contender).filter(({ start }) => start !== undefined),
    measure: async (contender) => {
      const pooler = await contender.start!(place);
      try {
        return await idleBytes({ ...poolerTarget(place, pooler), pid: pooler.pid! }, clients, context.signal);
      } finally {
        await pooler.stop();
      }
    },
  });
  return {
    id: 'idle', title: 'An idle client', note: `${clients} clients that have logged in and say nothing, in a fresh process.`,
    columns: [{ id: 'bytes', head: 'memory per client', unit: 'kB', about: 'resident memory that came with the clients', better: 'less' }],
    rows: taken.map(({ contender: { name, about: words, lacks, ours }, measured, failed }) => ({
      contender: name, about: words, lacks, ours, cells: { bytes: figure(measured.map((bytes) => bytes / 1000)) },
      ...(failed === undefined ? {} : { failed: reasonOf(failed) }),
    })),
    targets: taken.filter(({ contender }) => contender.ours).flatMap(({ contender, measured }) =>
      target(`memory of an idle client of ${contender.name}, kB, at most 10`, 'atMost',
        figure(measured.map((bytes) => bytes / 1000))?.median, 10)),
  };
}

function serverTarget({ server: { host, port, user, password, database } }: Place): Target {
  return { host, port, user, password, database, pid: undefined };
}

function poolerTarget({ server }: Place, pooler: ProgramServer): Target {
  return { host: pooler.host, port: pooler.port, user: server.user, password: server.password, database: 'bench', pid: pooler.pid };
}

async function measured(context: BenchContext): Promise<Section[]> {
  const server = await startPostgres({
    version: hasPostgres(15) ? 15 : 18, settings: { max_connections: 300, shared_buffers: '256MB' },
    hba: ['host all all 127.0.0.1/32 trust'],
  });
  const poolers: ProgramServer[] = [];
  try {
    const place = { server, certificate: makeCertificate('localhost') };
    fill(serverTarget(place));
    const running: Running[] = [];
    for (const contender of contenders().filter(({ id }) => context.only.length === 0 || context.only.includes(id))) {
      const pooler = await contender.start?.(place);
      if (pooler !== undefined) poolers.push(pooler);
      running.push({ contender, target: pooler === undefined ? serverTarget(place) : poolerTarget(place, pooler) });
    }
    const stage = new Stage(context, place, running);
    return [...await transactions(stage), await copies(stage), await idle(stage)];
  } finally {
    await Promise.all(poolers.map((pooler) => pooler.stop()));
    await server.stop();
  }
}

async function run(context: BenchContext): Promise<ChapterResult> {
  const missing = (['pgbench', 'psql'] as const).filter((name) => clientProgram(name) === undefined);
  const notes = [...NOTES];
  if (findPgbouncer() === undefined) {
    notes.push('PgBouncer is not installed on this machine, so there is nothing to compare with: install the package pgbouncer, or name '
      + 'the program in the variable PGBOUNCER.');
  }
  if (missing.length > 0) notes.push(`Left out: ${missing.join(' and ')} not found. Install PostgreSQL's client programs (postgresql-15).`);
  const sections = missing.length > 0 ? [] : await measured(context);
  const failures = sections.flatMap(({ id, rows }) =>
    rows.flatMap(({ contender, failed }) => failed === undefined ? [] : [`${contender} (${id}): ${failed}`]));
  return { name: 'proxy', title: proxyChapter.title, about, sections, notes, failures };
}

export const proxyChapter: Chapter = {
  name: 'proxy', title: 'The proxy: a transaction through a pooler', about, contenders: IDS, onRequest: true, run,
};
