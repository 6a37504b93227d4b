// The curve of pool size against one figure, as SVG: logarithmic in x, from nought in y, one axis, every line labelled where it ends.
import { linear, logarithmic, niceTicks, roomFor } from '../../drawing/scale.ts';
import { element, type Markup } from '../../drawing/markup.ts';

export interface Series {
  readonly name: string;
  /** Names the colour: a class of the style sheet. */
  readonly tone: 'a' | 'b' | 'c';
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface CurveChart {
  readonly title: string;
  readonly subtitle: string;
  readonly series: readonly Series[];
  /** Levels to compare with: dashed lines across. */
  readonly references?: readonly { readonly name: string; readonly y: number }[];
  /** Of the axis. */
  readonly label: (value: number) => string;
  /** Of one point, in its tooltip. */
  readonly tell: (value: number) => string;
}

const WIDTH = 340;
const HEIGHT = 260;
const PLOT = { left: 54, right: 332, top: 24, bottom: 204 } as const;
const LINE_OF_TEXT = 15;

export function curveChart({ title, subtitle, series, references = [], label, tell }: CurveChart): Markup {
  const all = series.flatMap((one) => one.points);
  const ticks = niceTicks(Math.max(...all.map((point) => point.y), ...references.map((reference) => reference.y)));
  const xs = [...new Set(all.map((point) => point.x))].sort((a, b) => a - b);
  const across = logarithmic(xs[0] ?? 1, xs.at(-1) ?? 2);
  const up = linear(0, ticks.at(-1) ?? 1);
  const toX = (x: number): number => PLOT.left + 14 + (xs.length > 1 ? across(x) : 0.5) * (PLOT.right - PLOT.left - 28);
  const toY = (y: number): number => PLOT.bottom - up(y) * (PLOT.bottom - PLOT.top);
  return element('figure', {},
    element('figcaption', {}, element('strong', {}, title), element('span', {}, subtitle)),
    element('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `${title}. ${subtitle}` },
      ticks.map((tick) => [
        element('line', { class: tick === 0 ? 'axis' : 'grid', x1: PLOT.left, x2: PLOT.right, y1: toY(tick), y2: toY(tick) }),
        element('text', { class: 'label', x: PLOT.left - 8, y: toY(tick) + 4, 'text-anchor': 'end' }, label(tick)),
      ]),
      xLabels(xs, toX),
      element('text', { class: 'label', x: (PLOT.left + PLOT.right) / 2, y: HEIGHT - 12, 'text-anchor': 'middle' },
        'connections in the pool'),
      referenceLines(references, toY),
      series.map((one) => line(one, toX, toY, tell)),
      series.length > 1 ? legend(series) : [],
    ));
}

function xLabels(xs: readonly number[], toX: (x: number) => number): Markup[] {
  const shown = roomFor(xs.map((x) => ({ at: toX(x), width: String(x).length * 8 })), 4);
  return xs.flatMap((x, index) => [
    element('line', { class: 'axis', x1: toX(x), x2: toX(x), y1: PLOT.bottom, y2: PLOT.bottom + 4 }),
    ...(shown[index] ? [element('text', { class: 'label', x: toX(x), y: PLOT.bottom + 19, 'text-anchor': 'middle' }, String(x))] : []),
  ]);
}

function line(series: Series, toX: (x: number) => number, toY: (y: number) => number, tell: (value: number) => string): Markup {
  const path = series.points
    .map((point, index) => `${index === 0 ? 'M' : 'L'}${toX(point.x).toFixed(1)} ${toY(point.y).toFixed(1)}`)
    .join('');
  return element('g', { class: `tone-${series.tone}` },
    element('path', { class: 'line', d: path }),
    series.points.map((point) => element('g', { class: 'point' },
      element('circle', { class: 'dot', cx: toX(point.x), cy: toY(point.y), r: 4 }),
      element('circle', { class: 'target', cx: toX(point.x), cy: toY(point.y), r: 14 },
        element('title', {}, `${point.x} connections: ${series.name} ${tell(point.y)}`)),
    )));
}

/** Above the plot, in the order of the lines. */
function legend(series: readonly Series[]): Markup[] {
  let x = PLOT.left + 14;
  return series.map((one) => {
    const at = x;
    x += 34 + one.name.length * 7.5;
    return element('g', { class: `tone-${one.tone}` },
      element('path', { class: 'line', d: `M${at} 9h18` }),
      element('text', { class: 'words', x: at + 24, y: 13 }, one.name));
  });
}

/** The words stand above their line, or below it where the line above would touch them. */
function referenceLines(references: NonNullable<CurveChart['references']>, toY: (y: number) => number): Markup[] {
  let lowest = Infinity;
  return [...references].sort((a, b) => a.y - b.y).map(({ name, y }) => {
    const at = toY(y);
    const words = Math.min(at - 5, lowest - LINE_OF_TEXT);
    lowest = words;
    return element('g', { class: 'reference' },
      element('line', { x1: PLOT.left, x2: PLOT.right, y1: at, y2: at }),
      element('text', { x: PLOT.right, y: words, 'text-anchor': 'end' }, name));
  });
}
