// The charts of the page, as SVG: bars for one column of a table, lines for what changes with a size. Where the best and the worst are far
// apart, bars would hide the best; then there are marks on a logarithmic axis.
import { short } from '../../drawing/format.ts';
import { element, type Markup } from '../../drawing/markup.ts';
import { linear, logarithmic, niceTicks, type Scale } from '../../drawing/scale.ts';
import type { BarChart, Figure, LineChart, LineSeries, Section } from '../chapter.ts';
import { quantity } from './write.ts';

const WIDTH = 560;
const ROW = 24;
const LEFT = 190;
const RIGHT = WIDTH - 78;
const TOP = 8;
const FAR_APART = 25;

interface Bar {
  readonly name: string;
  readonly ours: boolean;
  readonly figure: Figure;
}

export function chartsOf(section: Section): Markup[] {
  return (section.charts ?? []).flatMap((chart) => {
    const drawn = chart.kind === 'bars' ? barChart(chart, section) : lineChart(chart);
    return drawn === undefined ? [] : [drawn];
  });
}

function barChart(chart: BarChart, section: Section): Markup | undefined {
  const column = section.columns.find(({ id }) => id === chart.column);
  const bars = section.rows.flatMap(({ contender, ours, cells }): Bar[] => {
    const figure = cells[chart.column];
    if (figure === undefined || !(figure.median > 0) || chart.without?.includes(contender) === true) return [];
    return [{ name: contender, ours, figure }];
  });
  if (column === undefined || bars.length < 2) return undefined;
  bars.sort((a, b) => column.better === 'more' ? b.figure.median - a.figure.median : a.figure.median - b.figure.median);
  const medians = bars.map(({ figure }) => figure.median);
  const far = Math.max(...medians) / Math.min(...medians) > FAR_APART;
  const axis = far ? decades(Math.min(...medians), Math.max(...medians)) : fromNought(Math.max(...medians));
  const toX = (value: number): number => LEFT + Math.min(1, Math.max(0, axis.scale(value))) * (RIGHT - LEFT);
  const wordy = section.rows.flatMap(({ contender, words, cells }) => {
    const text = words?.[chart.column];
    return text === undefined || cells[chart.column] !== undefined ? [] : [{ name: contender, text }];
  });
  const bottom = TOP + (bars.length + wordy.length) * ROW;
  return figureOf(chart, bottom + 26, [
    axis.ticks.map((tick) => [
      element('line', { class: tick === 0 ? 'axis' : 'grid', x1: toX(tick), x2: toX(tick), y1: TOP, y2: bottom }),
      element('text', { class: 'label', x: toX(tick), y: bottom + 17, 'text-anchor': 'middle' }, short(tick)),
    ]),
    bars.map((bar, index) => {
      const y = TOP + index * ROW;
      const { median, low, high } = bar.figure;
      const words = quantity(median, column.unit);
      return element('g', { class: bar.ours ? 'ours' : undefined },
        element('title', {}, `${bar.name}: ${words} (${quantity(low, column.unit)} to ${quantity(high, column.unit)})`),
        element('text', { class: 'words', x: LEFT - 10, y: y + 16, 'text-anchor': 'end' }, bar.name),
        far
          ? element('circle', { class: 'mark', cx: toX(median), cy: y + ROW / 2, r: 5.5 })
          : element('rect', { class: 'bar', x: LEFT, y: y + 4, width: Math.max(1, toX(median) - LEFT), height: ROW - 8, rx: 3 }),
        low < high ? element('line', { class: 'whisker', x1: toX(low), x2: toX(high), y1: y + ROW / 2, y2: y + ROW / 2 }) : [],
        element('text', { class: 'label', x: Math.max(toX(median), toX(high)) + 9, y: y + 16 }, words));
    }),
    wordy.map(({ name, text }, index) => {
      const y = TOP + (bars.length + index) * ROW + 16;
      return element('g', {},
        element('text', { class: 'words', x: LEFT - 10, y, 'text-anchor': 'end' }, name),
        element('text', { class: 'label', x: LEFT + 9, y }, text));
    }),
  ], far ? 'logarithmic' : undefined);
}

interface Axis {
  readonly scale: Scale;
  readonly ticks: readonly number[];
}

function fromNought(most: number): Axis {
  const ticks = niceTicks(most, 4);
  return { scale: linear(0, ticks.at(-1) ?? 1), ticks };
}

/** Powers of ten around the values. */
function decades(least: number, most: number): Axis {
  const from = Math.floor(Math.log10(least));
  const to = Math.max(from + 1, Math.ceil(Math.log10(most)));
  return {
    scale: logarithmic(10 ** from, 10 ** to), ticks: Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index)),
  };
}

const PLOT = { left: 52, right: WIDTH - 172, top: 10, bottom: 270 } as const;

function lineChart(chart: LineChart): Markup | undefined {
  const points = chart.series.flatMap((one) => one.points).filter(({ y }) => y > 0);
  if (points.length === 0) return undefined;
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const across = Math.max(...xs) > Math.min(...xs) ? logarithmic(Math.min(...xs), Math.max(...xs)) : (): number => 0.5;
  const axis = chart.logarithmic ? decades(Math.min(...ys), Math.max(...ys)) : fromNought(Math.max(...ys));
  const toX = (x: number): number => PLOT.left + 8 + across(x) * (PLOT.right - PLOT.left - 16);
  const toY = (y: number): number => PLOT.bottom - axis.scale(y) * (PLOT.bottom - PLOT.top);
  return figureOf(chart, PLOT.bottom + 46, [
    axis.ticks.map((tick) => [
      element('line', { class: tick === 0 ? 'axis' : 'grid', x1: PLOT.left, x2: PLOT.right, y1: toY(tick), y2: toY(tick) }),
      element('text', { class: 'label', x: PLOT.left - 7, y: toY(tick) + 4, 'text-anchor': 'end' }, short(tick)),
    ]),
    [...new Set(xs)].map((x) => element('text', { class: 'label', x: toX(x), y: PLOT.bottom + 18, 'text-anchor': 'middle' }, short(x))),
    element('text', { class: 'label', x: (PLOT.left + PLOT.right) / 2, y: PLOT.bottom + 38, 'text-anchor': 'middle' }, chart.xTitle),
    curves(chart, toX, toY),
  ], chart.logarithmic ? 'both axes logarithmic' : undefined);
}

/** Each with its name where it ends, moved apart where two would touch. Ours is drawn last, above the others. */
function curves(chart: LineChart, toX: (x: number) => number, toY: (y: number) => number): Markup[] {
  const ends = chart.series
    .map((series, index) => ({ series, tone: toneOf(series, index, chart.series.length), at: toY(series.points.at(-1)?.y ?? 1) }))
    .filter(({ series }) => series.points.length > 0)
    .sort((a, b) => a.at - b.at);
  let lowest = -Infinity;
  return ends.map(({ series, tone, at }) => {
    const label = Math.max(at + 4, lowest + 15);
    lowest = label;
    const path = series.points.map(({ x, y }, index) => `${index === 0 ? 'M' : 'L'}${toX(x).toFixed(1)} ${toY(y).toFixed(1)}`).join('');
    const last = series.points.at(-1);
    return { ours: series.ours, drawn: element('g', { class: series.ours ? 'curve ours' : 'curve', style: `--tone:${tone}` },
      element('title', {}, `${series.name}: ${series.points.map(({ x, y }) => `${quantity(y, chart.yUnit)} at ${short(x)}`).join(', ')}`),
      element('path', { d: path }),
      series.points.map(({ x, y }) => element('circle', { cx: toX(x), cy: toY(y), r: series.ours ? 4 : 2.6 })),
      element('text', { x: Math.max(toX(last?.x ?? 1), PLOT.right - 8) + 12, y: label }, series.name)) };
  }).sort((a, b) => Number(a.ours) - Number(b.ours)).map(({ drawn }) => drawn);
}

function toneOf(series: LineSeries, index: number, count: number): string {
  return series.ours ? 'var(--a)' : `hsl(${Math.round((index / count) * 320) + 20} 42% 52%)`;
}

type Drawn = readonly (Markup | Markup[] | Markup[][])[];

function figureOf({ title, subtitle }: BarChart | LineChart, height: number, children: Drawn, axis?: string): Markup {
  const under = axis === undefined ? subtitle : `${subtitle} (${axis})`;
  return element('figure', {},
    element('figcaption', {}, element('strong', {}, title), element('span', {}, under)),
    element('svg', { viewBox: `0 0 ${WIDTH} ${height}`, role: 'img', 'aria-label': `${title}. ${under}` }, children));
}
