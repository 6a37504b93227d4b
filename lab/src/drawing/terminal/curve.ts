// A curve in characters: a canvas of Braille dots (two by four in each character) for the line, a ring on each measured point. With ASCII
// only, one dot per character.
import { linear, logarithmic, niceTicks, roomFor } from '../scale.ts';
import { padStart, paint, widthOf, type Paint, type Style } from './style.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface CurveOptions {
  readonly title: string;
  readonly points: readonly Point[];
  /** Columns of the whole picture, labels included. */
  readonly width: number;
  /** Lines of the drawing area. */
  readonly height: number;
  readonly yLabel: (value: number) => string;
  readonly xTitle: string;
  readonly paint: Paint;
}

/** Dot bits of a Braille character, by row and column. */
const BRAILLE = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]] as const;

/** Logarithmic in x, from 0 in y. Lines: title, drawing area, axis, labels, name of the axis. */
export function curve(options: CurveOptions, style: Style): string[] {
  const { points, height, width } = options;
  const ticks = niceTicks(Math.max(...points.map((point) => point.y)), 4);
  const top = ticks.at(-1) ?? 1;
  const labels = ticks.map(options.yLabel);
  const margin = Math.max(...labels.map(widthOf)) + 2;
  const area = { columns: Math.max(10, width - margin - 1), rows: height };
  const xs = points.map((point) => point.x);
  const toX = logarithmic(Math.min(...xs), Math.max(...xs));
  const placed = points.map((point) => ({ x: toX(point.x), y: linear(0, top)(point.y) }));
  const rows = drawLine(placed, area, style).map((cells) => cells.map((cell) => paint(style, cell, options.paint)));
  for (const point of placed) {
    const row = rows[Math.round((1 - point.y) * (area.rows - 1))];
    if (row) row[Math.round(point.x * (area.columns - 1))] = paint(style, style.unicode ? '●' : 'o', options.paint, 'bold');
  }
  const axis = style.unicode ? { side: '│', tick: '┤', corner: '└', floor: '─' } : { side: '|', tick: '+', corner: '+', floor: '-' };
  const labelOfRow = new Map(ticks.map((tick, index) => [Math.round((1 - tick / top) * (area.rows - 1)), labels[index] ?? '']));
  const body = rows.map((cells, row) => {
    const label = labelOfRow.get(row);
    return paint(style, `${padStart(label ?? '', margin - 1)} ${label === undefined ? axis.side : axis.tick}`, 'dim') + cells.join('');
  });
  return [
    `${' '.repeat(margin)} ${paint(style, options.title, 'bold')}`,
    ...body,
    paint(style, `${' '.repeat(margin)}${axis.corner}${axis.floor.repeat(area.columns)}`, 'dim'),
    ' '.repeat(margin + 1) + xLabels(placed, xs, area.columns),
    ' '.repeat(margin + 1) + paint(style, options.xTitle, 'dim'),
  ];
}

interface Area {
  readonly columns: number;
  readonly rows: number;
}

function drawLine(points: readonly Point[], area: Area, style: Style): string[][] {
  const dotsX = style.unicode ? 2 : 1;
  const dotsY = style.unicode ? 4 : 1;
  const bits = Array.from({ length: area.rows }, () => new Uint8Array(area.columns));
  const set = (x: number, y: number): void => {
    const row = bits[Math.floor(y / dotsY)];
    const column = Math.floor(x / dotsX);
    if (row && column < area.columns) row[column] = (row[column] ?? 0) | (style.unicode ? BRAILLE[y % 4]?.[x % 2] ?? 0 : 1);
  };
  // A point's ring is centred in its character; so is the line that leads to it.
  const toDots = (point: Point): Point => ({
    x: Math.round(point.x * (area.columns - 1)) * dotsX + (dotsX - 1) / 2,
    y: Math.round((1 - point.y) * (area.rows - 1)) * dotsY + (dotsY - 1) / 2,
  });
  points.slice(1).forEach((point, index) => {
    const from = toDots(points[index] ?? point);
    const to = toDots(point);
    const steps = Math.max(1, Math.ceil(Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y))));
    for (let step = 0; step <= steps; step += 1) {
      set(Math.round(from.x + (to.x - from.x) * (step / steps)), Math.round(from.y + (to.y - from.y) * (step / steps)));
    }
  });
  return bits.map((row) => Array.from(row, (cell) => (cell === 0 ? ' ' : style.unicode ? String.fromCodePoint(0x2800 + cell) : '.')));
}

/** The measured values below their points; where two would touch, the later one is left out. */
function xLabels(points: readonly Point[], xs: readonly number[], columns: number): string {
  const labels = points.map((point, index) => {
    const text = String(xs[index]);
    const start = Math.min(Math.max(0, Math.round(point.x * (columns - 1) - (text.length - 1) / 2)), columns - text.length);
    return { text, start };
  });
  const shown = roomFor(labels.map(({ text, start }) => ({ at: start + text.length / 2, width: text.length })), 1);
  let line = '';
  labels.forEach(({ text, start }, index) => {
    if (shown[index]) line = line.padEnd(start) + text;
  });
  return line;
}

/** Two pictures side by side. */
export function beside(left: readonly string[], right: readonly string[], gap: number): string[] {
  const width = Math.max(...left.map(widthOf)) + gap;
  return Array.from({ length: Math.max(left.length, right.length) }, (_, index) => {
    const text = left[index] ?? '';
    return text + ' '.repeat(width - widthOf(text)) + (right[index] ?? '');
  });
}
