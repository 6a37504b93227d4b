// The columns of the table, once for the terminal and for the page: what the users got, and what it cost.
import { count, duration } from '../drawing/format.ts';
import type { Row } from './load/measure.ts';
import type { Column } from '../drawing/terminal/table.ts';

const NONE = '–';

export interface ExplainedColumn extends Column<Row> {
  /** What the figure is, for whoever hovers over the head of the column in the page. */
  readonly means: string;
}

const SERVICE: readonly Omit<ExplainedColumn, 'group'>[] = [
  { head: 'answers/s', cell: (row) => count(row.perSecond), means: 'Requests answered per second' },
  { head: 'p50', cell: (row) => duration(row.latency.p50), means: 'Half of the answers came within this time, as the user saw it' },
  { head: 'p95', cell: (row) => duration(row.latency.p95), means: '95 % of the answers came within this time' },
  { head: 'p99', cell: (row) => duration(row.latency.p99), means: '99 % of the answers came within this time' },
  { head: 'errors', cell: (row) => count(row.errors), means: 'Requests that failed in the measured time' },
];

const COST: readonly Omit<ExplainedColumn, 'group'>[] = [
  { head: 'opened', cell: (row) => count(row.opened), means: 'Sessions the server opened, by its own count (pg_stat_database.sessions)' },
  { head: 'TIME_WAIT', cell: (row) => figure(row.timeWait), means: 'Sockets left behind in TIME_WAIT (/proc/net/tcp)' },
  { head: 'client CPU', cell: (row) => cores(row.cpu.clientMs, row), means: 'CPU of this process, in cores' },
  { head: 'server CPU', cell: (row) => atLeast(row, cores(row.cpu.serverMs, row)), means: 'CPU of all its processes, in cores' },
  { head: 'CPU/answer', cell: (row) => atLeast(row, perAnswer(row)), means: 'CPU of both for one answer' },
];

export const COLUMNS: readonly ExplainedColumn[] = [
  { head: 'strategy', left: true, cell: (row) => row.name, means: 'How a request comes by its connection' },
  ...SERVICE.map((column) => ({ ...column, group: 'service' })),
  ...COST.map((column) => ({ ...column, group: 'cost' })),
];

function figure(value: number | undefined): string {
  return value === undefined ? NONE : count(value);
}

function cores(cpuMs: number | undefined, row: Row): string {
  return cpuMs === undefined ? NONE : (cpuMs / row.cpu.wallMs).toFixed(2);
}

function perAnswer(row: Row): string {
  return row.cpu.serverMs === undefined || row.ok === 0 ? NONE : duration((row.cpu.clientMs + row.cpu.serverMs) / row.ok);
}

/** Where the CPU of ended processes is not known and many ended, the figure is a lower bound. */
function atLeast(row: Row, text: string): string {
  const churn = row.kind === 'each' || row.kind === 'eachLimited';
  return text !== NONE && row.cpu.livingOnly && churn ? `≥${text}` : text;
}
