// The moving charts: the last minute from left to right, with a line at each moment when something was changed. And the curve of sizes.
import { count, duration, html, linear, linePath, logarithmic, roundUp, setText, svg, type Scale } from './draw.ts';
import type { Curve, Mark, Point, Sample } from './wire.ts';

const WINDOW_MS = 60_000;
const HEIGHT = 170;
const LEFT = 48;
const RIGHT = 8;
const TOP = 34;
const BOTTOM = 20;
const LEAST_MS = 1;
const MOST_MS = 10_000;
const LABEL_ROW = 12;

export interface Series {
  readonly label: string;
  readonly tone: string;
  readonly pick: (sample: Sample) => number | null;
  readonly thin?: boolean;
}

export interface ChartOptions {
  readonly id: string;
  readonly title: string;
  readonly series: readonly Series[];
  readonly shape: 'lines' | 'stack';
  /** Of time: on a logarithmic scale. */
  readonly time?: boolean;
  /** At least so high, so that a quiet chart does not blow up its noise. */
  readonly least?: number;
}

export class Chart {
  readonly figure: HTMLElement;
  readonly #options: ChartOptions;
  readonly #picture: Element;
  readonly #figures: Element[];

  constructor(options: ChartOptions) {
    this.#options = options;
    this.#figures = options.series.map(() => html('strong', {}, '–'));
    const legend = options.series.map(({ label, tone }, index) => html('span', { class: `now tone-${tone}` },
      html('span', { class: 'key' }), this.#figures[index]!, ` ${label}`));
    this.#picture = svg('svg', { height: HEIGHT, role: 'img', 'aria-label': options.title });
    this.figure = html('figure', { id: options.id }, html('figcaption', {}, html('b', {}, options.title), ...legend), this.#picture);
  }

  draw(history: readonly Sample[], marks: readonly Mark[]): void {
    const { series, time = false, shape, least = 10 } = this.#options;
    const last = history.at(-1);
    if (last === undefined) return;
    series.forEach(({ pick }, index) => {
      const value = pick(last);
      setText(this.#figures[index]!, value === null ? '–' : time ? duration(value) : count(value));
    });
    const width = Math.max(240, this.#picture.clientWidth || 430);
    const x: Scale = (atMs) => LEFT + (width - LEFT - RIGHT) * (1 + (atMs - last.atMs) / WINDOW_MS);
    const floor = HEIGHT - BOTTOM;
    const shown = history.filter(({ atMs }) => atMs > last.atMs - WINDOW_MS);
    const stacked = shown.map((sample) => cumulated(series.map(({ pick }) => pick(sample)), shape));
    const highest = Math.max(least, ...stacked.flat().map((value) => value ?? 0));
    const most = roundUp(highest * 1.02);
    const y = time ? logarithmic(LEAST_MS, MOST_MS, floor, TOP) : linear(most, floor, TOP);
    const ticks = time ? [1, 10, 100, 1000, 10_000] : [0, most / 2, most];
    const parts: Element[] = [...outages(shown, x), ...grid(ticks, y, width, time ? duration : count), ...clock(width)];
    for (let index = series.length - 1; index >= 0; index -= 1) {
      const { tone, thin } = series[index]!;
      const points = shown.map((sample, place) => {
        const value = stacked[place]![index];
        return value === null || value === undefined ? undefined : [x(sample.atMs), y(value)] as const;
      });
      const [d, kind] = shape === 'stack' ? [areaPath(points, floor), 'area'] : [linePath(points), thin ? 'line thin' : 'line'];
      parts.push(svg('path', { d, class: `${kind} tone-${tone}` }));
    }
    parts.push(...lines(marks.filter(({ atMs }) => atMs > last.atMs - WINDOW_MS), x, width));
    this.#picture.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    this.#picture.replaceChildren(...parts);
  }
}

/** Of a stack each value stands on those before it. */
function cumulated(values: readonly (number | null)[], shape: ChartOptions['shape']): (number | null)[] {
  if (shape === 'lines') return [...values];
  let sum = 0;
  return values.map((value) => value === null ? null : (sum += value));
}

function areaPath(points: readonly (readonly [number, number] | undefined)[], floor: number): string {
  let path = '';
  let run: (readonly [number, number])[] = [];
  const close = (): void => {
    const first = run[0];
    const last = run.at(-1);
    if (first !== undefined && last !== undefined) path += `${linePath(run)}L${last[0]},${floor}L${first[0]},${floor}Z`;
    run = [];
  };
  for (const point of points) {
    if (point === undefined) close();
    else run.push(point);
  }
  close();
  return path;
}

function grid(ticks: readonly number[], y: Scale, width: number, words: (value: number) => string): Element[] {
  return ticks.flatMap((tick) => [
    svg('line', { x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick), class: 'grid' }),
    svg('text', { x: LEFT - 6, y: y(tick) + 4, 'text-anchor': 'end', class: 'label' }, words(tick)),
  ]);
}

function clock(width: number): Element[] {
  return [60, 45, 30, 15, 0].map((seconds) => svg('text', {
    x: LEFT + (width - LEFT - RIGHT) * (1 - seconds / 60), y: HEIGHT - 4, class: 'label',
    'text-anchor': seconds === 0 ? 'end' : seconds === 60 ? 'start' : 'middle',
  }, seconds === 0 ? 'now' : `−${seconds} s`));
}

/** Where the database did not answer. */
function outages(samples: readonly Sample[], x: Scale): Element[] {
  return samples.flatMap(({ server, atMs }, index) => {
    const nextMs = samples[index + 1]?.atMs ?? atMs;
    if (server === 'up') return [];
    return [svg('rect', { x: x(atMs), y: TOP, width: Math.max(0, x(nextMs) - x(atMs)), height: HEIGHT - TOP - BOTTOM, class: 'down' })];
  });
}

interface Room {
  readonly from: number;
  readonly to: number;
}

/** Labels in two rows; one that finds no room is left out, its line is not. What broke or was mended is placed first. */
function lines(marks: readonly Mark[], x: Scale, width: number): Element[] {
  const taken: [Room[], Room[]] = [[], []];
  const byRank = [...marks].sort((a, b) => Number(a.kind === 'moved') - Number(b.kind === 'moved'));
  return byRank.map(({ atMs, text, kind }) => {
    const at = x(atMs);
    const long = text.length * 6 + 8;
    const toLeft = at + long > width;
    const room: Room = toLeft ? { from: at - long, to: at } : { from: at, to: at + long };
    const row = room.from < 0 ? -1 : taken.findIndex((rooms) => rooms.every(({ from, to }) => room.to <= from || room.from >= to));
    const y1 = row < 0 ? TOP : 6 + row * LABEL_ROW;
    const parts = [svg('title', {}, text), svg('line', { x1: at, x2: at, y1, y2: HEIGHT - BOTTOM })];
    if (row >= 0) {
      taken[row]!.push(room);
      parts.push(svg('text', { x: toLeft ? at - 4 : at + 4, y: 12 + row * LABEL_ROW, 'text-anchor': toLeft ? 'end' : 'start' }, text));
    }
    return svg('g', { class: `mark ${kind}` }, ...parts);
  });
}

// ---------------------------------------------------------------------------------------------------------------------- sizes

const SIZES = [1, 2, 5, 10, 20, 50, 100, 200];

interface CurvePicture {
  readonly title: string;
  readonly tone: string;
  readonly pick: (point: Point) => number;
  readonly words: (value: number) => string;
}

const PICTURES: readonly CurvePicture[] = [
  { title: 'answers per second', tone: 'a', pick: ({ perSecond }) => perSecond, words: count },
  { title: '99 of 100 answers within', tone: 'c', pick: ({ p99 }) => p99, words: duration },
];

/** Two pictures: a point for each size that was seen, the one of now ringed, those of an earlier load as a faint line. */
export function drawCurve(place: Element, { points, before }: Curve, size: number): void {
  if (place.childElementCount === 0) {
    place.append(html('div', { class: 'pair' }, ...PICTURES.map(({ title }) => {
      const picture = svg('svg', { height: HEIGHT, role: 'img', 'aria-label': `${title}, by the size of the pool` });
      return html('div', {}, html('span', { class: 'soft' }, title), picture);
    })));
  }
  const pictures = place.querySelectorAll('svg');
  PICTURES.forEach((picture, index) => drawPicture(pictures[index]!, picture, points, before, size));
}

function drawPicture(
  picture: Element, { tone, pick, words }: CurvePicture, points: readonly Point[], before: readonly Point[], size: number,
): void {
  const width = Math.max(240, picture.clientWidth || 430);
  const floor = HEIGHT - BOTTOM;
  const most = roundUp(Math.max(10, ...[...points, ...before].map(pick)) * 1.02);
  const y = linear(most, floor, 14);
  const x = logarithmic(1, 200, LEFT + 8, width - RIGHT - 12);
  const path = (of: readonly Point[]): string => linePath(of.map((point) => [x(point.size), y(pick(point))] as const));
  const parts = [
    ...grid([0, most / 2, most], y, width, words),
    ...SIZES.map((each) => svg('text', { x: x(each), y: HEIGHT - 4, 'text-anchor': 'middle', class: 'label' }, String(each))),
    svg('path', { d: path(before), class: 'line ghost tone-soft' }),
    svg('path', { d: path(points), class: `line tone-${tone}` }),
    ...points.map((point) => svg('circle', { cx: x(point.size), cy: y(pick(point)), r: 4, class: `dot tone-${tone}` },
      svg('title', {}, `pool of ${point.size}: ${words(pick(point))}`))),
  ];
  const here = points.find((point) => point.size === size);
  if (here !== undefined) parts.push(svg('circle', { cx: x(here.size), cy: y(pick(here)), r: 8, class: 'here' }));
  picture.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
  picture.replaceChildren(...parts);
}
