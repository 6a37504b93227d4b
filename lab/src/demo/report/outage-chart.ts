// The outage as SVG: four figures above each other over the same time, with a line through all of them at each event.
import { duration, plural, short } from '../../drawing/format.ts';
import type { Outage, Sample } from '../outage/timeline.ts';
import { linear, niceTicks } from '../../drawing/scale.ts';
import { element, type Markup } from '../../drawing/markup.ts';

const WIDTH = 960;
const LEFT = 58;
const RIGHT = 946;
const PANEL = 72;
const GAP = 34;
const TOP = 64;

interface Panel {
  readonly title: string;
  readonly top: number;
  readonly tone: string;
  readonly value: (sample: Sample) => number;
  /** The end of the axis, where it is not simply the largest figure. */
  readonly most?: number;
}

export function outageChart(outage: Outage): Markup {
  const { samples, events } = outage;
  const endMs = Math.max(1, samples.at(-1)?.atMs ?? 1);
  const time = linear(0, endMs);
  const toX = (atMs: number): number => LEFT + time(atMs) * (RIGHT - LEFT);
  const perSecond = (pick: (sample: Sample) => number) => (sample: Sample): number => pick(sample) / (sample.spanMs / 1000);
  const most = Math.max(outage.maxCreating, outage.attempts.peak);
  const panels = stack([
    { title: 'answers per second', tone: 'a', value: perSecond((sample) => sample.ok) },
    { title: 'errors per second', tone: 'bad', value: perSecond((sample) => sample.errors) },
    { title: 'connections', tone: 'b', value: (sample) => sample.connections, most: outage.size },
    { title: `attempts to connect at once (allowed: ${outage.maxCreating})`, tone: 'c', value: (sample) => sample.connecting, most },
  ]);
  const bottom = (panels.at(-1)?.top ?? TOP) + PANEL;
  return element('figure', { class: 'wide' },
    element('figcaption', {},
      element('strong', {}, 'Killed and started again under load'),
      element('span', {}, `${plural(outage.users, 'user')} on ${outage.size} connections, in steps of a tenth of a second`)),
    element('div', { class: 'scroll' },
      element('svg', { viewBox: `0 0 ${WIDTH} ${bottom + 46}`, role: 'img', 'aria-label': 'Answers, errors and connections over time' },
        element('rect', {
          class: 'down', x: toX(events.killedMs), width: toX(events.upMs) - toX(events.killedMs), y: TOP, height: bottom - TOP,
        }),
        panels.map((panel) => drawPanel(panel, samples, toX)),
        seconds(endMs, bottom, toX),
        eventLines(outage, bottom, toX))));
}

function stack(panels: readonly Omit<Panel, 'top'>[]): Panel[] {
  return panels.map((panel, index) => ({ ...panel, top: TOP + index * (PANEL + GAP) }));
}

function scaleOf(panel: Panel, samples: readonly Sample[]): { ticks: number[]; toY: (value: number) => number } {
  const ticks = niceTicks(panel.most ?? Math.max(...samples.map(panel.value)), 2);
  const up = linear(0, ticks.at(-1) ?? 1);
  return { ticks, toY: (value) => panel.top + PANEL - up(value) * PANEL };
}

function drawPanel(panel: Panel, samples: readonly Sample[], toX: (atMs: number) => number): Markup {
  const { ticks, toY } = scaleOf(panel, samples);
  const floor = panel.top + PANEL;
  let outline = '';
  for (const sample of samples) {
    const y = toY(panel.value(sample)).toFixed(1);
    outline += `L${toX(sample.atMs - sample.spanMs).toFixed(1)} ${y}L${toX(sample.atMs).toFixed(1)} ${y}`;
  }
  const first = samples[0];
  const last = samples.at(-1);
  const startX = first ? toX(first.atMs - first.spanMs) : LEFT;
  const endX = last ? toX(last.atMs) : LEFT;
  return element('g', { class: `tone-${panel.tone}` },
    element('text', { class: 'words', x: LEFT, y: panel.top - 9 }, panel.title),
    ticks.map((tick) => [
      element('line', { class: tick === 0 ? 'axis' : 'grid', x1: LEFT, x2: RIGHT, y1: toY(tick), y2: toY(tick) }),
      element('text', { class: 'label', x: LEFT - 8, y: toY(tick) + 4, 'text-anchor': 'end' }, short(tick)),
    ]),
    element('path', { class: 'area', d: `M${startX.toFixed(1)} ${floor}${outline}L${endX.toFixed(1)} ${floor}Z` }),
    element('path', { class: 'line thin', d: `M${outline.slice(1)}` }));
}

function seconds(endMs: number, bottom: number, toX: (atMs: number) => number): Markup[] {
  const step = endMs > 20_000 ? 5000 : endMs > 4000 ? 1000 : 500;
  const marks: Markup[] = [];
  for (let atMs = 0; atMs <= endMs; atMs += step) {
    marks.push(element('text', { class: 'label', x: toX(atMs), y: bottom + 18, 'text-anchor': 'middle' }, `${atMs / 1000}`));
  }
  marks.push(element('text', { class: 'label', x: (LEFT + RIGHT) / 2, y: bottom + 38, 'text-anchor': 'middle' }, 'seconds'));
  return marks;
}

/** Each with its words above the plots, one line lower for each that would run into the one before. */
function eventLines({ events }: Outage, bottom: number, toX: (atMs: number) => number): Markup[] {
  const known: [number | undefined, string][] = [
    [events.killedMs, 'killed (SIGKILL)'],
    [events.restartedMs, 'started again'],
    [events.firstOkMs, 'first answer'],
  ];
  const endOfLine: number[] = [];
  return known.flatMap(([atMs, name]) => {
    if (atMs === undefined || Number.isNaN(atMs)) return [];
    const x = toX(atMs);
    const words = `${name}, ${duration(atMs)}`;
    let row = endOfLine.findIndex((end) => end < x);
    if (row < 0) row = endOfLine.length;
    endOfLine[row] = x + 12 + words.length * 7;
    const y = 14 + row * 15;
    return [element('g', { class: 'event' },
      element('line', { x1: x, x2: x, y1: y - 10, y2: bottom }),
      element('text', { x: x + 5, y }, words))];
  });
}
