// What `millpond top` shows, as lines of text of a given width: pure, so that a test can read it.

import type { PoolView, Snapshot } from '../view.ts';

const BARS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const HISTORY = 20;
const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

/** What was seen of each pool before: how much of it was borrowed, from 0 to 1. */
export class History {
  readonly #seen = new Map<string, number[]>();

  note({ pools }: Snapshot): void {
    for (const { id, stats } of pools) {
      const shares = [...this.#seen.get(id) ?? [], stats.max === 0 ? 0 : Math.min(1, stats.borrowed / stats.max)];
      this.#seen.set(id, shares.slice(-HISTORY));
    }
  }

  line(id: string): string {
    const shares = this.#seen.get(id) ?? [];
    return shares.map((share) => BARS[Math.round(share * (BARS.length - 1))]).join('').padStart(HISTORY);
  }
}

interface Column {
  readonly head: string;
  readonly wide: number;
  /** Where there is little room those with the highest number go first. */
  readonly rank: number;
  readonly cell: (view: PoolView, history: History) => string;
}

const COLUMNS: readonly Column[] = [
  { head: 'state', wide: 11, rank: 4, cell: ({ stats }) => stats.state },
  { head: 'used/max', wide: 9, rank: 0, cell: ({ stats }) => `${stats.borrowed}/${stats.max}` },
  { head: 'idle', wide: 5, rank: 3, cell: ({ stats }) => String(stats.idle) },
  { head: 'wait', wide: 6, rank: 0, cell: ({ stats }) => String(stats.waiting) },
  { head: '/s', wide: 7, rank: 1, cell: ({ perSecond }) => perSecond.toFixed(perSecond < 10 ? 1 : 0) },
  { head: 'p50', wide: 8, rank: 7, cell: ({ wait }) => time(wait.p50) },
  { head: 'p99', wide: 8, rank: 1, cell: ({ wait }) => time(wait.p99) },
  { head: 'timeouts', wide: 9, rank: 5, cell: ({ stats }) => String(stats.totals.timedOut) },
  { head: 'oldest', wide: 8, rank: 2, cell: ({ heldMs }) => (heldMs[0] === undefined ? '-' : time(heldMs[0])) },
  { head: 'borrowed', wide: HISTORY + 1, rank: 6, cell: ({ id }, history) => history.line(id) },
];

const LEAST_NAME = 14;
const LONGEST_NAME = 32;
const MOST_HOLDS = 4;

/** As many as there is room for beside the name. */
function columnsFor(width: number): { readonly columns: readonly Column[]; readonly named: number } {
  let columns = COLUMNS;
  const left = (): number => width - columns.reduce((sum, { wide }) => sum + wide + 1, 0);
  for (let rank = Math.max(...COLUMNS.map((column) => column.rank)); rank > 0 && left() < LEAST_NAME; rank--) {
    columns = columns.filter((column) => column.rank < rank);
  }
  return { columns, named: Math.max(LEAST_NAME, Math.min(LONGEST_NAME, left())) };
}

export interface Room {
  readonly width: number;
  readonly height: number;
}

/** The whole picture, at most so wide and so high. */
export function pictureOf(snapshot: Snapshot, history: History, { width, height }: Room): string[] {
  const { process, pools, morePools, events } = snapshot;
  const { columns, named } = columnsFor(width);
  const row = (name: string, cell: (column: Column) => string): string =>
    [cut(name, named).padEnd(named), ...columns.map((column) => cell(column).padStart(column.wide))].join(' ');
  const busiest = [...pools].sort((a, b) => b.stats.waiting - a.stats.waiting || b.stats.borrowed - a.stats.borrowed);
  const holds = pools.filter(({ heldMs }) => heldMs.length > 0).sort((a, b) => b.heldMs[0]! - a.heldMs[0]!).slice(0, MOST_HOLDS);
  const room = Math.max(1, height - 13 - holds.length);
  const left = morePools + Math.max(0, pools.length - room);
  const shown = busiest.slice(0, room);
  const newest = [...events].reverse().filter(({ kind }) => kind !== 'create')
    .slice(0, Math.max(3, height - shown.length - holds.length - 7));
  const lines = [
    `millpond top   process ${process.pid}, Node ${process.node}, up ${time(process.upMs)}   ${pools.length + morePools} pools`,
    '',
    row('pool', ({ head }) => head),
    ...shown.map((view) => row(view.id, ({ cell }) => cell(view, history))),
    ...(left > 0 ? [`and ${left} more`] : []),
    ...(holds.length > 0 ? ['', 'who holds longest'] : []),
    ...holds.map(({ id, heldMs, heldBy }) => `${time(heldMs[0]!).padStart(8)} ${id} ${heldBy ?? '(no label)'}`),
    '',
    newest.length === 0 ? 'nothing has happened yet' : 'what has happened, newest first',
    ...newest.map(({ at, pool, text }) => `${clock.format(at)} ${pool} ${text}`),
  ];
  // What others have written must not move the cursor.
  return lines.slice(0, height).map((line) => cut(line.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' '), width));
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

function time(ms: number): string {
  if (ms >= 3_600_000) return `${(ms / 3_600_000).toFixed(1)} h`;
  if (ms >= 60_000) return `${(ms / 60_000).toFixed(1)} min`;
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ms >= 10 || ms === 0 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}
