// Sockets: what a pool of them is worth beside a socket per request, over TCP and over TLS, and what is left behind.
import { makeCertificate } from '../../servers/certificate.ts';
import type { BenchContext, Chapter, ChapterResult, Column, Row, Section } from '../chapter.ts';
import { inRounds, type Taken } from '../harness/rounds.ts';
import { Station } from '../harness/station.ts';
import { figure, ratio, target } from '../harness/statistics.ts';
import { CONTENDERS, type Contender, type Place } from './contenders.ts';
import type { LoadResult } from './load.ts';
import { portsSection } from './ports.ts';
import type { Order, ServerOrder } from './worker.ts';

const WORKER = new URL('./worker.js', import.meta.url);
const CALLERS = 50;
const SIZE = 10;
const ROUNDS = 5;
/** Short: a socket per request leaves thousands behind in each, and all rounds together must not use up the machine's ports. */
const MEASURE_MS = 250;
const QUICK_MS = 80;
/** The warm-up is so many times a round for those who keep their sockets. */
const WARM_UP = 2;
const SECTION_BUDGET_MS = 12_000;

const about = `${CALLERS} callers send a line to a server in a process of its own and wait for its answer, again and again; `
  + `pools have at most ${SIZE} sockets.`;

const NOTES = [
  'Client and server share the machine, two processes of one thread each: compare the CPU per answer first.',
  'TIME_WAIT is where the side that closes first keeps an address for a minute, here the client. With the 28 232 ports that Linux has for '
    + 'clients by default, no more than 470 sockets a second can be opened to one address for long.',
  'The context of TLS (certificates read, ciphers chosen) is made once by everybody. The key of the server is P-256.',
];

interface Measured extends LoadResult {
  readonly serverUs: number;
}

const COLUMNS: readonly Column[] = [
  { id: 'perSecond', head: 'answers/s', unit: '/s', about: 'in all', better: 'more' },
  { id: 'client', head: 'client CPU', unit: 'µs', about: 'CPU time of the process that asks, per answer', better: 'less' },
  { id: 'server', head: 'server CPU', unit: 'µs', about: 'CPU time of the process that answers, per answer', better: 'less' },
  { id: 'p50', head: 'p50', unit: 'ms', about: 'half of the answers came within', better: 'less' },
  { id: 'p99', head: 'p99', unit: 'ms', about: '99 of 100 answers came within', better: 'less' },
  { id: 'timeWait', head: 'TIME_WAIT', unit: '', about: 'sockets left in TIME_WAIT, per 1000 answers', better: 'less' },
];

async function exchanges(context: BenchContext, secure: boolean): Promise<Section> {
  const certificate = secure ? makeCertificate('localhost') : undefined;
  const server = new Station(WORKER, { args: ['server'], signal: context.signal });
  try {
    const port = await server.ask<number>({ do: 'listen', certificate } satisfies ServerOrder);
    const place: Place = { port, ca: certificate?.cert };
    const measureMs = context.quick ? QUICK_MS : MEASURE_MS;
    const load = async (station: Station, ms: number): Promise<Measured> => {
      const before = await server.ask<number>({ do: 'cpu' } satisfies ServerOrder);
      const result = await station.ask<LoadResult>({ do: 'load', options: { callers: CALLERS, measureMs: ms, port } } satisfies Order);
      const after = await server.ask<number>({ do: 'cpu' } satisfies ServerOrder);
      return { ...result, serverUs: (after - before) / result.answers };
    };
    const taken = await inRounds<Contender, Measured>({
      contenders: chosen(context).filter(({ tlsOnly }) => secure || tlsOnly !== true),
      rounds: context.rounds ?? (context.quick ? 1 : ROUNDS), budgetMs: SECTION_BUDGET_MS, signal: context.signal,
      open: () => new Station(WORKER, { signal: context.signal }),
      async warmUp({ station, contender }) {
        await station.ask({ do: 'open', id: contender.id, place, size: SIZE } satisfies Order);
        await load(station, contender.id.startsWith('socket') ? measureMs : measureMs * WARM_UP);
      },
      measure: ({ station }) => load(station, measureMs),
      progress: ({ name }, round) =>
        context.progress(`${secure ? 'TLS' : 'TCP'}: ${round === 0 ? 'warming up' : `round ${round}`}, ${name}`),
    });
    return section(taken, secure);
  } finally {
    await server.close();
  }
}

function section(taken: readonly Taken<Contender, Measured>[], secure: boolean): Section {
  const what = secure ? 'TLS' : 'TCP';
  const series = (id: string): number[] =>
    taken.find(({ contender }) => contender.id === id)?.measured.map(({ clientUs, serverUs }) => clientUs + serverUs) ?? [];
  const against = ratio(series('millpond'), series('socket-per-request'))?.median;
  const most = secure ? 0.25 : 0.5;
  return {
    id: secure ? 'tcp-tls' : 'tcp-plain', title: `A line and its answer over ${what}, ${CALLERS} callers`,
    note: `One operation is a line of 19 bytes and its answer, over ${what} on the loopback, from asking for a socket to giving it `
      + 'back or closing it.',
    columns: COLUMNS, rows: taken.map(rowOf),
    charts: [{ kind: 'bars', title: `Answers per second, ${what}`, subtitle: `${CALLERS} callers, more is better`, column: 'perSecond' }],
    targets: target(`${what}: CPU of both sides per answer, at most ${most} × that of a socket per request`, 'atMost', against, most),
  };
}

function rowOf({ contender, measured, failed }: Taken<Contender, Measured>): Row {
  const { name, about: details, lacks, ours } = contender;
  const of = (value: (one: Measured) => number | undefined): ReturnType<typeof figure> => figure(measured.map((one) => value(one) ?? NaN));
  return {
    contender: name, about: details, lacks, ours,
    cells: {
      perSecond: of(({ perSecond }) => perSecond), client: of(({ clientUs }) => clientUs), server: of(({ serverUs }) => serverUs),
      p50: of(({ p50Ms }) => p50Ms), p99: of(({ p99Ms }) => p99Ms),
      timeWait: of(({ timeWait, answers }) => timeWait === undefined ? undefined : (timeWait / answers) * 1000),
    },
    ...(failed === undefined ? {} : { failed: (failed as Error).message.split('\n')[0]! }),
  };
}

function chosen({ only }: BenchContext): Contender[] {
  const mine = CONTENDERS.filter(({ id }) => only.includes(id));
  return mine.length > 0 ? mine : [...CONTENDERS];
}

async function run(context: BenchContext): Promise<ChapterResult> {
  const sections = [await exchanges(context, false), await exchanges(context, true)];
  const notes = [...NOTES];
  const ports = await portsSection(context, chosen(context));
  if (typeof ports === 'string') notes.push(ports);
  else sections.push(ports);
  const failures = sections.flatMap(({ id, rows }) =>
    rows.flatMap(({ contender, failed }) => failed === undefined ? [] : [`${contender} (${id}): ${failed}`]));
  return { name: 'tcp', title: tcpChapter.title, about, sections, notes, failures };
}

export const tcpChapter: Chapter = {
  name: 'tcp', title: 'Sockets: a pool of them, or one per request', about, contenders: CONTENDERS.map(({ id }) => id), run,
};
