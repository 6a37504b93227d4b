// The page: listens to the program and draws what it says, four times a second.
import { Chart, drawCurve } from './charts.ts';
import { act, Controls } from './controls.ts';
import { byId, count, duration, html, setText } from './draw.ts';
import { showTour } from './tour.ts';
import type { ErrorLine, Hello, HolderLine, Mark, Sample, ServerState, Tick } from './wire.ts';

const KEPT = 240;
const SERVER_WORDS: Readonly<Record<ServerState, string>> = {
  up: 'database up', down: 'database killed; it starts by itself after 8 s', frozen: 'database frozen; it thaws by itself after 15 s',
  starting: 'database starting',
};

const charts = [
  new Chart({
    id: 'throughput', title: 'Answers', shape: 'lines', least: 50,
    series: [
      { label: 'answers a second', tone: 'a', pick: ({ perSecond }) => perSecond },
      { label: 'errors a second', tone: 'bad', pick: ({ errorsPerSecond }) => errorsPerSecond },
    ],
  }),
  new Chart({
    id: 'latency', title: 'How long a user waits for an answer', shape: 'lines', time: true,
    series: [
      { label: 'p99', tone: 'c', pick: ({ p99 }) => p99 },
      { label: 'p50', tone: 'a', pick: ({ p50 }) => p50, thin: true },
      { label: 'oldest without one', tone: 'bad', pick: ({ longestMs }) => longestMs, thin: true },
    ],
  }),
  new Chart({
    id: 'requests', title: 'Where the requests are', shape: 'stack',
    series: [
      { label: 'with a connection', tone: 'c', pick: ({ borrowed }) => borrowed },
      { label: 'waiting for one', tone: 'a', pick: ({ waiting }) => waiting },
    ],
  }),
  new Chart({
    id: 'backends', title: 'What the database’s sessions do', shape: 'stack',
    series: [
      { label: 'compute', tone: 'b', pick: ({ backends }) => backends?.running ?? null },
      { label: 'wait for locks', tone: 'bad', pick: ({ backends }) => backends?.locked ?? null },
      { label: 'sleep', tone: 'd', pick: ({ backends }) => backends?.sleeping ?? null },
      { label: 'idle', tone: 'soft', pick: ({ backends }) => backends?.idle ?? null },
    ],
  }),
];

byId('charts').append(...charts.map(({ figure }) => figure));
const controls = new Controls();
showTour();

let history: Sample[] = [];
let told: Mark | undefined;
const sweepButton = byId('sweep') as HTMLButtonElement;
sweepButton.addEventListener('click', () => act(sweepButton.dataset['act'] === 'end' ? 'end-sweep' : 'sweep'));

function show(tick: Tick): void {
  controls.show(tick);
  showServer(tick);
  for (const chart of charts) chart.draw(history, tick.marks);
  drawCurve(byId('curve'), tick.curve, tick.settings.size);
  showWords(tick.curve.words, tick.curve.points.length);
  showSweep(tick);
  showErrors(tick.errors);
  showHolders(tick.holders);
  tell(tick.marks);
}

function showServer({ sample }: Tick): void {
  setText(byId('now'), `${count(sample.perSecond)} answers/s, p99 ${sample.p99 === null ? '–' : duration(sample.p99)}`);
  const place = byId('server');
  place.className = sample.server;
  setText(place.lastElementChild!, SERVER_WORDS[sample.server]);
  const { serverCores, perSecond } = sample;
  const each = serverCores === null || perSecond < 1 ? '' : `, ${(serverCores * 1000 / perSecond).toFixed(2)} ms for an answer`;
  const cores = serverCores === null ? '' : `its processor: ${serverCores.toFixed(1)} cores${each}; `;
  const limit = sample.clientBusy > 0.9 ? ', which is a limit of its own' : '';
  setText(byId('client'), `${cores}this program’s thread: ${Math.round(sample.clientBusy * 100)} % busy${limit}`);
}

function showWords(words: readonly string[], points: number): void {
  const shown = words.length > 0 || points > 1 ? words : ['Move the pool size, or try all: a size that has settled leaves a point.'];
  const list = byId('words');
  while (list.childElementCount > shown.length) list.lastElementChild?.remove();
  shown.forEach((text, index) => setText(list.children[index] ?? list.appendChild(html('li')), text));
}

function showSweep({ sweep, sample }: Tick): void {
  setText(sweepButton, sweep === null ? 'Try all sizes' : `Trying ${sweep.size}; ${sweep.left - 1} to go. Stop`);
  sweepButton.dataset['act'] = sweep === null ? 'begin' : 'end';
  sweepButton.disabled = sweep === null && sample.server !== 'up';
}

function showErrors(errors: readonly ErrorLine[]): void {
  showRows(byId('errors'), 'None so far.', errors.map(({ code, count: times, message }) => [
    { text: code, note: message }, { text: `${count(times)} ×` },
  ]));
}

function showHolders(holders: readonly HolderLine[]): void {
  const rows = holders.map(({ id, label, heldMs }): [Cell, Cell] => [{ text: `#${id} ${label}` }, { text: duration(heldMs) }]);
  showRows(byId('holders'), 'Nobody for longer than 250 ms.', rows);
}

type Cell = { readonly text: string; readonly note?: string };

/** Rows stay where they are and change their text: a page that is redrawn cannot be read. */
function showRows(place: Element, none: string, rows: readonly (readonly [Cell, Cell])[]): void {
  if (rows.length === 0) {
    if (place.firstElementChild?.tagName !== 'P') place.replaceChildren(html('p', { class: 'soft' }, none));
    return;
  }
  let table = place.querySelector('table');
  if (table === null) {
    table = html('table');
    place.replaceChildren(table);
  }
  while (table.rows.length > rows.length) table.deleteRow(-1);
  rows.forEach(([left, right], index) => {
    let row = table.rows[index];
    if (row === undefined) {
      row = table.insertRow();
      row.append(html('td', {}, html('code'), html('p')), html('td', { class: 'figure' }));
    }
    setText(row.cells[0]!.children[0]!, left.text);
    setText(row.cells[0]!.children[1]!, left.note ?? '');
    setText(row.cells[1]!, right.text);
  });
}

/** For those who do not see the charts. */
function tell(marks: readonly Mark[]): void {
  const last = marks.at(-1);
  if (last === undefined || last.atMs === told?.atMs) return;
  told = last;
  setText(byId('news'), last.text);
}

const events = new EventSource('/events');
events.addEventListener('hello', ({ data }: MessageEvent<string>) => {
  const hello = JSON.parse(data) as Hello;
  history = [...hello.history];
  const link = byId('console') as HTMLAnchorElement;
  link.hidden = hello.console === null;
  if (hello.console !== null) link.href = hello.console;
  show(hello);
});
events.addEventListener('tick', ({ data }: MessageEvent<string>) => {
  const tick = JSON.parse(data) as Tick;
  history.push(tick.sample);
  if (history.length > KEPT) history.shift();
  // Nobody looks: what is drawn would be thrown away.
  if (!document.hidden) show(tick);
});
events.addEventListener('error', () => {
  byId('server').className = 'lost';
  setText(byId('server').lastElementChild!, 'the playground has ended');
});
