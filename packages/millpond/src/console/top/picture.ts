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
  readonly cell: (view: PoolView) => string;
}

const COLUMNS: readonly Column[] = [
  { head: 'state', wide: 11, cell: ({ stats }) => stats.state },
  { head: 'used/max', wide: 9, cell: ({ stats }) => `${stats.borrowed}/${stats.max}` },
  { head: 'idle', wide: 5, cell: ({ stats }) => String(stats.idle) },
  { head: 'wait', wide: 6, cell: ({ stats }) => String(stats.waiting) },
  { head: '/s', wide: 7, cell: ({ perSecond }) => perSecond.toFixed(perSecond < 10 ? 1 : 0) },
  { head: 'p50', wide: 8, cell: ({ wait }) => time(wait.p50) },
  { head: 'p99', wide: 8, cell: ({ wait }) => time(wait.p99) },
  { head: 'timeouts', wide: 9, cell: ({ stats }) => String(stats.totals.timedOut) },
  { head: 'oldest', wide: 8, cell: ({ heldMs }) => (heldMs[0] === undefined ? '-' : time(heldMs[0])) },
];

export interface Room {
  readonly width: number;
  readonly height: number;
}

/** The whole picture, at most so wide and so high. */
export function pictureOf(snapshot: Snapshot, history: History, { width, height }: Room): string[] {
  const { process, pools, morePools, events } = snapshot;
  const fixed = COLUMNS.reduce((sum, { wide }) => sum + wide + 1, 0);
  const named = Math.max(10, Math.min(32, width - fixed - HISTORY - 2));
  const row = (name: string, cells: readonly string[], line: string): string =>
    [cut(name, named).padEnd(named), ...cells.map((cell, index) => cell.padStart(COLUMNS[index]!.wide)), ` ${line}`].join(' ');
  const busiest = [...pools].sort((a, b) => b.stats.waiting - a.stats.waiting || b.stats.borrowed - a.stats.borrowed);
  const room = Math.max(1, height - 12);
  const left = morePools + Math.max(0, pools.length - room);
  const newest = [...events].reverse().filter(({ kind }) => kind !== 'create').slice(0, Math.max(3, height - room - 6));
  const lines = [
    `millpond top   process ${process.pid}, Node ${process.node}, up ${time(process.upMs)}   ${pools.length + morePools} pools`,
    '',
    row('pool', COLUMNS.map(({ head }) => head), 'borrowed'),
    ...busiest.slice(0, room).map((view) => row(view.id, COLUMNS.map(({ cell }) => cell(view)), history.line(view.id))),
    ...(left > 0 ? [`and ${left} more`] : []),
    '',
    newest.length === 0 ? 'nothing has happened yet' : 'what has happened, newest first',
    ...newest.map(({ at, pool, text }) => `${clock.format(at)} ${pool} ${text}`),
  ];
  return lines.slice(0, height).map((line) => cut(line.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' '), width));
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

export function time(ms: number): string {
  if (ms >= 3_600_000) return `${(ms / 3_600_000).toFixed(1)} h`;
  if (ms >= 60_000) return `${(ms / 60_000).toFixed(1)} min`;
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ms >= 10 || ms === 0 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}
