// What all sections of the chapter stand on: one server, how long everything takes, and the turns of the contenders.
import { makeCertificate } from '../../servers/certificate.ts';
import { startPostgres, type PostgresServer } from '../../servers/postgres.ts';
import pg from 'pg';
import type { BenchContext, Column, Figure, Row } from '../chapter.ts';
import { inRounds, type Taken } from '../harness/rounds.ts';
import { Station } from '../harness/station.ts';
import { figure } from '../harness/statistics.ts';
import type { Contender, Place } from './contenders/contender.ts';
import type { LoadOptions, LoadResult } from './load.ts';
import type { Order, Opening } from './worker.ts';
import { seed } from './workload.ts';

interface Plan {
  readonly callers: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly sizes: readonly number[];
  /** Callers while the sizes are compared: as many as the largest size, and few enough for the smallest to serve them all soon. */
  readonly sizeCallers: number;
  readonly calmMs: number;
  readonly connects: number;
}

const FULL: Plan = {
  callers: 1000, warmUpMs: 50, measureMs: 120, sizes: [1, 2, 4, 10, 20, 50, 100, 200], sizeCallers: 200, calmMs: 1200, connects: 16,
};
const QUICK: Plan = { callers: 200, warmUpMs: 30, measureMs: 60, sizes: [2, 10, 50], sizeCallers: 50, calmMs: 1000, connects: 5 };

/**
 * Many short rounds tell more than few long ones, because what disturbs comes in bursts. A machine that is busy with something else ends a
 * section at its budget with fewer: the whole chapter takes five minutes at most.
 */
const TURNS = {
  throughput: { rounds: 8, budgetMs: 95_000 },
  p99: { rounds: 8, budgetMs: 40_000 },
  sizes: { rounds: 5, budgetMs: 70_000 },
  failing: { rounds: 5, budgetMs: 25_000 },
  restart: { rounds: 2, budgetMs: 30_000 },
  connects: { rounds: 5, budgetMs: 12_000 },
  filling: { rounds: 5, budgetMs: 8_000 },
} as const;

export class Stage {
  readonly plan: Plan;
  readonly context: BenchContext;
  readonly server: PostgresServer;
  /** The server's certificate. */
  readonly ca: string;
  readonly failures = new Map<string, string>();
  /** Sections that had fewer rounds than planned. */
  readonly cut: string[] = [];
  readonly #open = new WeakSet<Station>();

  private constructor(context: BenchContext, server: PostgresServer, ca: string) {
    this.plan = context.quick ? QUICK : FULL;
    this.context = context;
    this.server = server;
    this.ca = ca;
  }

  static async set(context: BenchContext): Promise<Stage> {
    const certificate = makeCertificate('localhost');
    const server = await startPostgres({
      tls: certificate,
      hba: [
        'local all trusted trust', 'local all all scram-sha-256',
        'host all trusted 127.0.0.1/32 trust', 'host all all 127.0.0.1/32 scram-sha-256',
      ],
      settings: {
        max_connections: 400, // the contenders of a section keep theirs while others have their turn
        shared_buffers: '64MB',
        autovacuum: false, // it would come in somebody's round
        log_min_messages: 'fatal', // statements that fail are no news here
        log_min_error_statement: 'panic',
      },
    });
    try {
      const stage = new Stage(context, server, certificate.cert);
      const admin = new pg.Client({ ...stage.place() });
      await admin.connect();
      await seed(admin);
      await admin.end();
      return stage;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  place({ unix = false, trusted = false }: { readonly unix?: boolean; readonly trusted?: boolean } = {}): Place {
    const { host, socketFolder, port, user, password, database } = this.server;
    return { host: unix ? socketFolder : host, port, user: trusted ? 'trusted' : user, password, database };
  }

  /** Those of them that were asked for, if some were. */
  chosen(contenders: readonly Contender[]): Contender[] {
    const { only } = this.context;
    return contenders.filter(({ id }) => only.length === 0 || only.includes(id));
  }

  /** Round 0, whose figures nobody sees, warms up. */
  async turns<C extends { readonly name: string }, M>(
    section: keyof typeof TURNS, contenders: readonly C[], measure: (station: Station, contender: C, round: number) => Promise<M>,
  ): Promise<Taken<C, M>[]> {
    const { signal, quick, rounds: asked } = this.context;
    const planned = TURNS[section].rounds;
    const wanted = asked ?? (quick ? 1 : planned);
    const rounds = section === 'restart' ? Math.min(wanted, planned) : wanted; // seconds each, and no more to be seen
    const taken = await inRounds<C, M>({
      contenders,
      rounds,
      budgetMs: asked === undefined ? TURNS[section].budgetMs : Infinity,
      signal,
      // pg warns of what the shared client is here to do.
      open: () => new Station(new URL('worker.js', import.meta.url), { execArgv: ['--no-deprecation'], signal }),
      warmUp: ({ station, contender }) => measure(station, contender, 0),
      measure: ({ station, contender }, round) => measure(station, contender, round),
      progress: ({ name }, round) => {
        this.context.progress(`postgres, ${section}: ${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}, ${name}`);
      },
    });
    for (const { contender, failed } of taken) {
      if (failed !== undefined) this.failures.set(contender.name, reason(failed));
    }
    const done = Math.max(0, ...taken.map(({ measured }) => measured.length));
    if (done > 0 && done < rounds) this.cut.push(`${section} ${done} of ${rounds}`);
    return taken;
  }

  /** Opens the contender if this is its first turn here. Its connections stay open until the station closes. */
  async settle(station: Station, { id, size, unix = false }: Contender): Promise<void> {
    if (this.#open.has(station)) return;
    this.#open.add(station);
    await order<Opening>(station, { do: 'open', id, size, place: this.place({ unix }) });
  }

  /** Opens the contender, does that with it, and closes it. When it fails the station is of no further use. */
  async visit<T>(
    station: Station, { id, ...contender }: Contender, act: () => Promise<T>, { size = contender.size, trusted = false } = {},
  ): Promise<T> {
    await order<Opening>(station, { do: 'open', id, size, place: this.place({ unix: contender.unix ?? false, trusted }) });
    const result = await act();
    await order(station, { do: 'close' });
    return result;
  }

  load(station: Station, given: Partial<LoadOptions> & Pick<LoadOptions, 'statement'>): Promise<LoadResult> {
    const { callers, warmUpMs, measureMs } = this.plan;
    const options: LoadOptions = {
      callers, warmUpMs, measureMs, warmUpAnswers: given.callers ?? callers, failing: false, postmasterPid: this.server.pid, ...given,
    };
    return order<LoadResult>(station, { do: 'load', options });
  }
}

export function order<T>(station: Station, what: Order): Promise<T> {
  return station.ask<T>(what);
}

const LONGEST_REASON = 120;

/** What went wrong, as far as a table has room for it: not the stack below it, and not the advice after it. */
export function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = (/^[^\n;]+/.exec(text)?.[0] ?? text).replace(/^Error: /, '');
  return line.length > LONGEST_REASON ? `${line.slice(0, LONGEST_REASON - 1)}…` : line;
}

/** What a row says of its contender. */
export function introduce(contender: Contender): Pick<Row, 'contender' | 'about' | 'lacks' | 'ours'> {
  return { contender: contender.name, about: contender.about, lacks: contender.lacks, ours: contender.ours };
}

/** The row of a contender whose measurements have, under the id of each column, a figure for each round. */
export function rowOf<M>(
  { contender, measured, failed }: Taken<Contender, M>, picks: Readonly<Record<string, (measured: M) => number | undefined>>,
): Row {
  const row = { ...introduce(contender), cells: cellsOf(measured, picks) };
  return failed === undefined ? row : { ...row, cells: {}, failed: reason(failed) };
}

export function cellsOf<M>(
  measured: readonly M[], picks: Readonly<Record<string, (measured: M) => number | undefined>>,
): Record<string, Figure | undefined> {
  return Object.fromEntries(Object.entries(picks).map(([id, pick]) => [id, figure(measured.map((each) => pick(each) ?? NaN))]));
}

/** What was measured of the contender with that id, one per round; empty if it took no part. */
export function seriesOf<M>(taken: readonly Taken<Contender, M>[], id: string, pick: (measured: M) => number): number[] {
  return taken.find(({ contender }) => contender.id === id)?.measured.map(pick) ?? [];
}

export const PER_SECOND: Omit<Column, 'id' | 'head'> = { unit: '/s', about: 'answers per second', better: 'more' };
export const CLIENT_CPU: Omit<Column, 'id' | 'head'> = {
  unit: 'µs', about: 'CPU time of the process that asks, per answer', better: 'less',
};
