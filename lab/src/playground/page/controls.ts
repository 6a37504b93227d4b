// The controls: sliders over values that are worth having, and the buttons that make trouble and mend it. What the program says counts: a
// control that nobody touches shows the program's setting, also when it was moved by the tour or by another page.
import { byId, count, html, setText } from './draw.ts';
import type { Act, Handling, Numeric, Settings, Tick } from './wire.ts';

interface Slider {
  readonly key: Numeric;
  readonly place: 'pool' | 'load';
  readonly label: string;
  readonly help: string;
  readonly values: readonly number[];
  readonly words: (value: number) => string;
}

const ms = (value: number): string => `${value}\u00a0ms`;

const SLIDERS: readonly Slider[] = [
  {
    key: 'size', place: 'pool', label: 'Pool size', help: 'Connections that are kept open and lent.', words: count,
    values: [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200],
  },
  {
    key: 'users', place: 'load', label: 'Users', help: 'Each asks, waits for the answer, and asks again.', words: count,
    values: [0, 1, 2, 5, 10, 20, 50, 100, 150, 200, 300, 400, 500, 600, 800, 1000],
  },
  {
    key: 'pauseMs', place: 'load', label: 'Pause', help: 'Between an answer and the same user’s next request.', words: ms,
    values: [0, 10, 20, 50, 100, 200, 500, 1000, 2000],
  },
  {
    key: 'cpuMs', place: 'load', label: 'The query computes', help: 'While it holds the row that it changes.', words: ms,
    values: [0, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20],
  },
  {
    key: 'sleepMs', place: 'load', label: 'The query waits', help: 'pg_sleep, before it takes its row: a disk, say.', words: ms,
    values: [0, 1, 2, 5, 10, 20, 50, 100, 200],
  },
  {
    key: 'rows', place: 'load', label: 'Rows that all want', help: '“own” gives each user a row that nobody else wants.',
    words: (value) => value === 0 ? 'own' : count(value), values: [0, 1, 2, 5, 10, 20, 50, 100, 1000],
  },
];

const HANDLINGS: readonly (readonly [Handling, string])[] = [
  ['pool', 'a pool'], ['shared', 'one shared connection'], ['each', 'a connection per request'],
];

interface Button {
  readonly act: Act;
  readonly label: string;
  readonly mends?: boolean;
  readonly enabled: (tick: Tick) => boolean;
}

const BUTTONS: readonly Button[] = [
  { act: 'kill', label: 'Kill the database', enabled: ({ sample }) => sample.server === 'up' || sample.server === 'frozen' },
  { act: 'start', label: 'Start it again', mends: true, enabled: ({ sample }) => sample.server === 'down' },
  { act: 'freeze', label: 'Freeze it', enabled: ({ sample }) => sample.server === 'up' },
  { act: 'thaw', label: 'Thaw it', mends: true, enabled: ({ sample }) => sample.server === 'frozen' },
  { act: 'leak', label: 'Leak a connection', enabled: () => true },
  { act: 'give-back', label: 'Give leaks back', mends: true, enabled: ({ leaked }) => leaked > 0 },
  { act: 'transaction', label: 'Long transaction', enabled: ({ transaction }) => !transaction },
  { act: 'end-transaction', label: 'End it', mends: true, enabled: ({ transaction }) => transaction },
];

export function act(name: Act): void {
  fetch(`/acts/${name}`, { method: 'POST' }).catch(() => undefined); // the stream of ticks says that the program has gone
}

/** From the program's answer to the tick that has it. */
const SETTLES_MS = 1000;
let unsent: Partial<Settings> = {};
let sending = false;

/** One message at a time, with all that was moved meanwhile: two under way at once might arrive in the other order. */
export function set(settings: Partial<Settings>): void {
  unsent = { ...unsent, ...settings };
  if (!sending) void send();
}

async function send(): Promise<void> {
  sending = true;
  while (Object.keys(unsent).length > 0) {
    const body = JSON.stringify(unsent);
    unsent = {};
    await fetch('/settings', { method: 'POST', headers: { 'content-type': 'application/json' }, body }).catch(() => undefined);
  }
  sending = false;
}

export class Controls {
  readonly #shown: ((tick: Tick) => void)[] = [];
  readonly #buttons: { readonly button: Button; readonly element: HTMLButtonElement }[] = [];

  constructor() {
    byId('controls').addEventListener('submit', (event) => event.preventDefault());
    this.#handling();
    for (const slider of SLIDERS) this.#slider(slider);
    for (const button of BUTTONS) {
      const element = html('button', { type: 'button', id: `act-${button.act}` }, button.label);
      element.addEventListener('click', () => act(button.act));
      byId('c-acts').append(element);
      this.#buttons.push({ button, element });
    }
  }

  show(tick: Tick): void {
    for (const show of this.#shown) show(tick);
    for (const { button, element } of this.#buttons) {
      const enabled = button.enabled(tick);
      element.disabled = !enabled;
      element.className = button.mends && enabled ? 'mend' : '';
      if (button.act === 'give-back') setText(element, tick.leaked > 0 ? `Give ${tick.leaked} back` : button.label);
    }
  }

  #handling(): void {
    const select = html('select', { id: 'handling' }, ...HANDLINGS.map(([value, label]) => html('option', { value }, label)));
    select.addEventListener('change', () => set({ handling: select.value as Handling }));
    byId('c-pool').append(html('label', { class: 'control' }, html('span', {}, 'A request gets'), select));
    this.#shown.push(({ settings: { handling } }) => {
      if (document.activeElement !== select || select.value === handling) select.value = handling;
    });
  }

  #slider({ key, place, label, help, values, words }: Slider): void {
    const input = html('input', { type: 'range', id: key, min: '0', max: String(values.length - 1), step: '1' });
    const output = html('output', { for: key });
    let touchedAt = 0;
    const say = (value: number): void => {
      setText(output, words(value));
      input.setAttribute('aria-valuetext', words(value));
    };
    input.addEventListener('input', () => {
      touchedAt = performance.now();
      const value = values[Number(input.value)] ?? 0;
      say(value);
      set({ [key]: value });
    });
    const note = html('small', {}, help);
    byId(`c-${place}`).append(html('label', { class: 'control' }, html('span', {}, label, output), input, note));
    this.#shown.push(({ settings, sample: { borrowed, idle, connecting } }) => {
      if (key === 'size' && settings.handling === 'pool') setText(note, `${borrowed + idle} open, ${connecting} being opened`);
      // What is on its way to the program must not jump back under the hand.
      if (sending || performance.now() - touchedAt < SETTLES_MS) return;
      const value = settings[key];
      input.value = String(nearest(values, value));
      say(value);
      if (key === 'size') input.disabled = settings.handling !== 'pool';
    });
  }
}

function nearest(values: readonly number[], value: number): number {
  let best = 0;
  values.forEach((each, index) => {
    if (Math.abs(each - value) < Math.abs((values[best] ?? 0) - value)) best = index;
  });
  return best;
}
