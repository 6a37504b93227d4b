// The story of a demo about one kind of connection: boot, act one (three ways to come by a connection), act two (what a fault does to the
// two that keep them), what it showed. Whatever happens in it, the server is gone when it is over.
import { availableParallelism } from 'node:os';
import { count, duration, plural, times } from '../../drawing/format.ts';
import type { Screen } from '../../drawing/terminal/screen.ts';
import { spark } from '../../drawing/terminal/spark.ts';
import { padEnd, paint, wrap } from '../../drawing/terminal/style.ts';
import { tables, type Column } from '../../drawing/terminal/table.ts';
import { marks } from '../outage/view.ts';
import { abortableSleep } from '../sleep.ts';
import type { Booted, Kind } from './kind.ts';
import { look, type Note, type Seen } from './look.ts';
import type { KindPlan } from './options.ts';

const WIDEST_TEXT = 110;
const LABEL = 14;
/** Two runs of a second or two differ by so much. */
const NOISE = 1.2;
const NONE = '–';

export async function runKind(kind: Kind, plan: KindPlan, screen: Screen, signal: AbortSignal): Promise<void> {
  const begunMs = performance.now();
  const { style } = screen;
  const title = `millpond: ${plural(plan.users, 'user')}, ${kind.server}, ${plural(availableParallelism(), 'core')}`;
  screen.print('', paint(style, title, 'bold'), '');
  screen.draw([`  booting ${kind.server}`]);
  const booted = await kind.boot(plan.size);
  try {
    screen.print(paint(style, `  booting ${kind.server}: ${duration(performance.now() - begunMs)}`, 'dim'));
    const first = await actOne(kind, booted, plan, screen, signal);
    const second = await actTwo(kind, booted, plan, screen, signal);
    screen.print('', paint(style, 'What this run showed', 'bold'));
    for (const sentence of closing(first, second)) screen.print(...wrap(`- ${sentence}`, Math.min(WIDEST_TEXT, screen.columns), '  '));
  } finally {
    screen.rest();
    await booted.stop();
  }
  screen.print(paint(style, `Done in ${duration(performance.now() - begunMs)}; the server is gone.`, 'dim'), '');
}

const ACT_ONE: readonly Column<Seen>[] = [
  { head: 'strategy', left: true, cell: ({ name }) => name },
  { head: 'answers/s', group: 'service', cell: ({ perSecond }) => count(perSecond) },
  { head: 'p50', group: 'service', cell: ({ latency }) => duration(latency.p50) },
  { head: 'p99', group: 'service', cell: ({ latency }) => duration(latency.p99) },
  { head: 'errors', group: 'service', cell: ({ errors }) => count(errors) },
  { head: 'connects', group: 'cost', cell: ({ connects }) => count(connects) },
  { head: 'TIME_WAIT', group: 'cost', cell: ({ timeWait }) => timeWait === undefined ? NONE : count(timeWait) },
  { head: 'CPU/answer', group: 'cost', cell: ({ cpuMs }) => cpuMs === undefined ? NONE : duration(cpuMs) },
];

async function actOne(kind: Kind, booted: Booted, plan: KindPlan, screen: Screen, signal: AbortSignal): Promise<Seen[]> {
  const { style } = screen;
  screen.print('', paint(style, `Act 1: ${kind.request}, without and with a pool of ${plan.size}`, 'bold'));
  const seen: Seen[] = [];
  for (const way of booted.ways) {
    screen.draw([`  ${way.name}`]);
    seen.push(await look(way, { ...plan, port: booted.port, pid: booted.pid, signal }, () => abortableSleep(plan.measureMs, signal)));
  }
  showTable(ACT_ONE, seen, screen);
  const legend = 'connects: counted at the sockets; TIME_WAIT: sockets left behind; CPU of client and server for one answer';
  screen.print(...wrap(legend, screen.columns).map((line) => paint(style, line, 'dim')));
  return seen;
}

const ACT_TWO: readonly Column<Seen>[] = [
  { head: 'strategy', left: true, cell: ({ name }) => name },
  { head: 'answers/s', cell: ({ perSecond }) => count(perSecond) },
  { head: 'errors', cell: ({ errors }) => count(errors) },
  { head: 'longest silence', cell: ({ silenceMs }) => duration(silenceMs) },
  { head: 'back after', cell: ({ healedMs }) => healedMs === undefined ? 'not seen' : duration(healedMs) },
  { head: 'connects', cell: ({ connects }) => count(connects) },
];

async function actTwo(kind: Kind, booted: Booted, plan: KindPlan, screen: Screen, signal: AbortSignal): Promise<Seen[]> {
  const { style } = screen;
  screen.print('', paint(style, `Act 2: ${kind.fault}; nobody tells the pool`, 'bold'));
  const fault = async (note: Note): Promise<void> => {
    for (const { words, waitMs, run } of booted.events) {
      await abortableSleep(waitMs * plan.pace, signal);
      // What ends is noted when it begins, what comes back when it is there.
      const later = booted.events.at(-1)?.words === words;
      if (!later) note(words);
      await run();
      if (later) note(words);
    }
    await abortableSleep(plan.afterMs, signal);
  };
  const seen: Seen[] = [];
  for (const way of booted.ways.slice(1)) {
    screen.draw([`  ${way.name}`]);
    const one = await look(way, { ...plan, port: booted.port, pid: booted.pid, signal }, fault);
    screen.print('', ...timeline(one, screen));
    for (const [words, often] of one.errorKinds.slice(0, 3)) {
      screen.print(paint(style, `${' '.repeat(LABEL)}${count(often)} × "${words}"`, 'dim'));
    }
    seen.push(one);
  }
  showTable(ACT_TWO, seen, screen);
  screen.print(paint(style, 'back after: from the server\'s being up again to the first answer', 'dim'));
  return seen;
}

function showTable(columns: readonly Column<Seen>[], seen: readonly Seen[], screen: Screen): void {
  for (const lines of tables(columns, seen, screen.style, screen.columns)) screen.print('', ...lines);
}

function timeline({ name, steps, lengthMs, moments }: Seen, screen: Screen): string[] {
  const { style } = screen;
  const width = Math.max(10, Math.min(100, screen.columns - LABEL - 2));
  const row = (label: string, figures: readonly number[], color: 'cyan' | 'red'): string =>
    `${padEnd(label, LABEL)}${paint(style, spark(figures, { width }, style), color)}`;
  const shown = Math.min(width, steps.length);
  const columnOf = (atMs: number): number => Math.min(shown - 1, Math.floor((atMs / lengthMs) * shown));
  return [
    paint(style, name, 'bold'),
    row('answers', steps.map(({ ok }) => ok), 'cyan'), row('errors', steps.map(({ errors }) => errors), 'red'),
    ...marks(moments.map(({ atMs, words }) => [atMs, words]), columnOf, style).map((line) => ' '.repeat(LABEL) + line),
  ];
}

/** Said only where the figures say it. */
function closing([each, usual, ours]: readonly Seen[], [usualFault, oursFault]: readonly Seen[]): string[] {
  const sentences: string[] = [];
  const compare = (a: Seen, b: Seen): string => {
    const factor = a.perSecond / b.perSecond;
    if (factor > 1 / NOISE && factor < NOISE) return `about as many answers as ${b.name}`;
    return factor > 1 ? `${times(factor)} as many answers as ${b.name}` : `${times(1 / factor)} fewer answers than ${b.name}`;
  };
  if (each !== undefined && usual !== undefined && ours !== undefined) {
    sentences.push(`${ours.name}: ${compare(ours, each)}, with ${plural(ours.connects, 'connect')} instead of ${count(each.connects)}; ` +
      `and ${compare(ours, usual)}.`);
  }
  if (usualFault === undefined || oursFault === undefined) return sentences;
  const healed = ({ healedMs }: Seen): string => healedMs === undefined ? 'not within this run' : `after ${duration(healedMs)}`;
  sentences.push(
    `When the server was back, ${oursFault.name} answered ${healed(oursFault)}, ${usualFault.name} ${healed(usualFault)}; ` +
      `errors on the way: ${count(oursFault.errors)} and ${count(usualFault.errors)}.`);
  return sentences;
}
