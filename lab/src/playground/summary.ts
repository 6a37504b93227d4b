// What is left in the terminal when the playground ends: what was served, what failed, and the sizes that were tried.
import { axisDuration, count, duration, percent, plural, short } from '../drawing/format.ts';
import { beside, curve, type Point as Place } from '../drawing/terminal/curve.ts';
import type { Screen } from '../drawing/terminal/screen.ts';
import { paint, wrap } from '../drawing/terminal/style.ts';
import { table, type Column } from '../drawing/terminal/table.ts';
import { ORDER_LABEL } from './load/ways.ts';
import type { PlaygroundPlan } from './options.ts';
import type { Point } from './page/wire.ts';
import type { Playground } from './playground.ts';

const WIDEST_TEXT = 100;
const SIDE_BY_SIDE = 100;
const NONE = '–';

const COLUMNS: readonly Column<Point>[] = [
  { head: 'pool', cell: ({ size }) => count(size) },
  { head: 'answers/s', cell: ({ perSecond }) => count(perSecond) },
  { head: 'p99', cell: ({ p99 }) => duration(p99) },
  { head: 'waiting in the pool', cell: ({ waiting }) => count(waiting) },
  { head: 'at a connection', cell: ({ borrowed }) => count(borrowed) },
  { head: 'database CPU/answer', cell: ({ cpuMs }) => cpuMs === null ? NONE : duration(cpuMs) },
  { head: 'this program', cell: ({ clientBusy }) => percent(clientBusy) },
];

export function summary(playground: Playground, plan: PlaygroundPlan, screen: Screen): string[] {
  const { style } = screen;
  const width = Math.min(WIDEST_TEXT, screen.columns);
  const { gauge, cores } = playground;
  const { curve: { points, words }, settings } = playground.look();
  const errors = gauge.errors();
  const failed = errors.length === 0 ? 'no error' : errors.map(({ code, count: times }) => `${count(times)} × ${code}`).join(', ');
  const lines = ['', paint(style, 'What this run showed', 'bold'), ''];
  const load = `${plural(settings.users, 'user')} on ${plural(cores, 'core')}`;
  lines.push(...wrap(`${load} got ${plural(gauge.ok, 'answer')} to "${ORDER_LABEL}"; ${failed}.`, width));
  if (points.length > 0) lines.push('', ...table(COLUMNS, points, style));
  if (points.length > 1) lines.push('', ...pictures(points, screen));
  if (words.length > 0) lines.push('', ...words.flatMap((sentence) => wrap(`- ${sentence}`, width, '  ')));
  if (plan.forMs !== undefined) {
    lines.push('', ...wrap('Move it yourself: npm start, without --for. What it means: docs/guide/playground.md and sizing.md.', width));
  }
  return [...lines, ''];
}

function pictures(points: readonly Point[], { style, columns }: Screen): string[] {
  const wide = columns >= SIDE_BY_SIDE;
  const width = wide ? Math.min(60, Math.floor(columns / 2) - 2) : Math.min(72, columns);
  const places = (pick: (point: Point) => number): Place[] => points.map((point) => ({ x: point.size, y: pick(point) }));
  const shape = { width, height: 8, xTitle: 'connections in the pool' };
  const throughput = curve({
    ...shape, title: 'answers per second', points: places(({ perSecond }) => perSecond), yLabel: short, paint: 'cyan',
  }, style);
  const latency = curve({
    ...shape, title: '99 of 100 answers within', points: places(({ p99 }) => p99), yLabel: axisDuration, paint: 'yellow',
  }, style);
  return wide ? beside(throughput, latency, 4) : [...throughput, '', ...latency];
}
