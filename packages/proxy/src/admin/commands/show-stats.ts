// SHOW STATS, STATS_TOTALS, STATS_AVERAGES and TOTALS: what was counted, per database or of everything, since the start and per second.

import type { Proxy } from '../../proxy.ts';
import { COUNT_NAMES, type CountName, type Counts } from '../../stats/counts.ts';
import { shown } from '../../stats/statistics.ts';
import { show, type Answer } from '../table.ts';

interface Words {
  readonly total: string;
  readonly average: string;
  /** In SHOW STATS_TOTALS and STATS_AVERAGES. */
  readonly plain: string;
  /** In SHOW STATS_AVERAGES, where it has another. */
  readonly plainAverage?: string;
  /** In SHOW TOTALS, behind `total_` and `avg_`. */
  readonly inner: string;
}

/** What columns are called: not the same in the four of them, and scripts know them so. */
const WORDS: Readonly<Record<CountName, Words>> = {
  serverAssignments: named('server_assignment_count'),
  transactions: named('xact_count'),
  queries: named('query_count'),
  received: { total: 'total_received', average: 'avg_recv', plain: 'bytes_received', inner: 'client_bytes' },
  sent: { total: 'total_sent', average: 'avg_sent', plain: 'bytes_sent', inner: 'server_bytes' },
  transactionMs: named('xact_time'),
  queryMs: named('query_time'),
  waitMs: named('wait_time'),
  clientParses: prepared('client_parse_count'),
  serverParses: prepared('server_parse_count'),
  binds: prepared('bind_count'),
};

function named(name: string): Words {
  return { total: `total_${name}`, average: `avg_${name}`, plain: name, inner: name };
}

function prepared(name: string): Words {
  return { ...named(name), plainAverage: `avg_${name}`, inner: `ps_${name}` };
}

const columns = (word: (words: Words) => string): string => COUNT_NAMES.map((name) => `${word(WORDS[name])}:numeric`).join(' ');
const values = (counts: Counts): number[] => COUNT_NAMES.map((name) => shown(name, counts));

export function showStats({ statistics }: Pick<Proxy, 'statistics'>): Answer {
  const rows = statistics.byDatabase(performance.now()).map(({ database, totals, averages }) =>
    [database, ...values(totals), ...values(averages)]);
  return show(`database ${columns(({ total }) => total)} ${columns(({ average }) => average)}`, rows);
}

export function showStatsTotals({ statistics }: Pick<Proxy, 'statistics'>): Answer {
  const rows = statistics.byDatabase(performance.now()).map(({ database, totals }) => [database, ...values(totals)]);
  return show(`database ${columns(({ plain }) => plain)}`, rows);
}

export function showStatsAverages({ statistics }: Pick<Proxy, 'statistics'>): Answer {
  const rows = statistics.byDatabase(performance.now()).map(({ database, averages }) => [database, ...values(averages)]);
  return show(`database ${columns(({ plain, plainAverage }) => plainAverage ?? plain)}`, rows);
}

export function showTotals({ statistics }: Pick<Proxy, 'statistics'>): Answer {
  const { totals, averages } = statistics.all(performance.now());
  const rows = (prefix: string, counts: Counts): [string, number][] =>
    COUNT_NAMES.map((name) => [`${prefix}_${WORDS[name].inner}`, shown(name, counts)]);
  return show('name value:numeric', [...rows('total', totals), ...rows('avg', averages)]);
}
