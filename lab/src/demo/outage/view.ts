// The outage in characters: one row per figure, time runs to the right. Drawn live while it happens, and once more when it is over.
import { count, duration } from '../../drawing/format.ts';
import { spark, squeeze } from '../../drawing/terminal/spark.ts';
import { paint, padEnd, padStart, type Paint, type Style } from '../../drawing/terminal/style.ts';
import type { Events, Sample } from './timeline.ts';

export interface ViewOptions {
  readonly samples: readonly Sample[];
  readonly events: Partial<Events>;
  /** How long the act takes, so that the live picture grows into its room. */
  readonly lengthMs: number;
  readonly size: number;
  readonly width: number;
}

const LABEL = 14;
const FIGURE = 10;
const WIDEST = 100;

export function outageView({ samples, events, lengthMs, size, width }: ViewOptions, style: Style): string[] {
  const room = Math.max(10, Math.min(WIDEST, width - LABEL - FIGURE - 2));
  const stepMs = (samples.at(-1)?.atMs ?? 0) / Math.max(1, samples.length) || 100;
  const columnOf = (atMs: number): number => Math.min(room - 1, Math.floor((atMs / Math.max(lengthMs, samples.at(-1)?.atMs ?? 0)) * room));
  // Each figure is stretched or squeezed to the room; while it grows, only as far as time has come.
  const steps = Math.max(samples.length, Math.round(lengthMs / stepMs));
  const filled = samples.length === 0 ? 0 : Math.max(1, Math.round((samples.length / steps) * room));
  const row = (label: string, figures: readonly number[], figure: string, color: Paint, top?: number): string => {
    const bars = spark(spread(figures, filled), { width: room, ...(top === undefined ? {} : { top }) }, style);
    return `${padEnd(label, LABEL)}${paint(style, padEnd(bars, room), color)}  ${padStart(figure, FIGURE - 2)}`;
  };
  const last = samples.at(-1);
  const recent = samples.slice(-5);
  const perSecond = (pick: (sample: Sample) => number): string => {
    const span = recent.reduce((sum, sample) => sum + sample.spanMs, 0);
    return count(span === 0 ? 0 : recent.reduce((sum, sample) => sum + pick(sample), 0) / (span / 1000));
  };
  const entries: Moment[] = [
    [events.killedMs, 'killed (SIGKILL)'],
    [events.restartedMs, 'started again'],
    [events.firstOkMs, 'first answer'],
  ];
  return [
    row('answers/s', samples.map((sample) => sample.ok), perSecond((sample) => sample.ok), 'cyan'),
    row('errors/s', samples.map((sample) => sample.errors), perSecond((sample) => sample.errors), 'red'),
    row('connections', samples.map((sample) => sample.connections), `${last?.connections ?? 0} of ${size}`, 'green', size),
    row('connecting', samples.map((sample) => sample.connecting), count(last?.connecting ?? 0), 'yellow', size),
    row('waiting', samples.map((sample) => sample.waiting), count(last?.waiting ?? 0), 'magenta'),
    ...marks(entries, columnOf, style).map((line) => ' '.repeat(LABEL) + line),
  ];
}

/** So many figures that they fill `columns`, repeated where there are fewer. */
function spread(figures: readonly number[], columns: number): number[] {
  if (figures.length >= columns) return squeeze(figures, columns);
  return Array.from({ length: columns }, (_, column) => figures[Math.floor((column * figures.length) / columns)] ?? 0);
}

type Moment = readonly [atMs: number | undefined, words: string];

/** An arrow below the moment of each event, with words where they do not run into the next. */
export function marks(entries: readonly Moment[], columnOf: (atMs: number) => number, style: Style): string[] {
  const arrow = style.unicode ? '▲' : '^';
  const lines: string[] = [];
  for (const [atMs, words] of entries) {
    if (atMs === undefined) continue;
    const column = columnOf(atMs);
    const text = `${arrow} ${words} at ${duration(atMs)}`;
    const fitting = lines.findIndex((line) => line.length < column);
    if (fitting >= 0) lines[fitting] = (lines[fitting] ?? '').padEnd(column) + text;
    else lines.push(' '.repeat(column) + text);
  }
  return lines.map((line) => paint(style, line, 'dim'));
}
