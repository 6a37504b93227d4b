// Act one as it runs: the strategy at work in one line that moves, those done in lines that stay.
import { count, duration, plural } from '../drawing/format.ts';
import type { Progress, Row } from './load/measure.ts';
import { padEnd, padStart, paint, type Style } from '../drawing/terminal/style.ts';

const NAME = 25;
const BAR = 20;

export function progressLine(name: string, progress: Progress, columns: number, style: Style): string {
  const [full, empty] = style.unicode ? ['━', '─'] : ['#', '-'];
  const width = Math.max(4, Math.min(BAR, columns - NAME - 58));
  const done = Math.round(progress.done * width);
  const bar = paint(style, full.repeat(done), 'cyan') + paint(style, empty.repeat(width - done), 'dim');
  const rate = `${padStart(count(progress.perSecond), 7)} answers/s`;
  const figures = `${rate}  p50 ${padEnd(duration(progress.p50), 7)}  ${plural(progress.errors, 'error')}`;
  const phase = progress.phase === 'warming up' ? paint(style, '  warming up', 'dim') : '';
  return `  ${padEnd(name, NAME)} ${bar} ${figures}${phase}`;
}

export function doneLine(row: Row, style: Style): string {
  const mark = row.errors > 0 ? paint(style, style.unicode ? '✗' : 'x', 'red') : paint(style, style.unicode ? '✓' : '+', 'green');
  const errors = paint(style, plural(row.errors, 'error'), ...(row.errors > 0 ? ['red'] as const : ['dim'] as const));
  const rate = `${padStart(count(row.perSecond), 7)} answers/s`;
  return `${mark} ${padEnd(row.name, NAME)} ${rate}  p50 ${padEnd(duration(row.latency.p50), 7)}  ${errors}`;
}
