// The tour: six things to do, with what one will see. A step is ticked off when its button was pressed.
import { act, set } from './controls.ts';
import { byId, html } from './draw.ts';
import type { Act, Settings } from './wire.ts';

interface Step {
  readonly title: string;
  readonly text: string;
  readonly buttons: readonly (readonly [label: string, doIt: Act | Partial<Settings>])[];
}

const STEPS: readonly Step[] = [
  {
    title: 'Read the screen',
    text: '400 users order twenty popular articles, over 10 connections. Nearly all wait in the pool; the database works on a few.',
    buttons: [['Back to this', { users: 400, pauseMs: 0, cpuMs: 0.1, sleepMs: 0, rows: 20, handling: 'pool', size: 10 }]],
  },
  {
    title: 'Give them 200 connections',
    text: 'It fills in some seconds, and then: fewer answers, and the slow ones far slower. One answer costs more processor (first line).',
    buttons: [['200', { handling: 'pool', size: 200 }], ['10 again', { handling: 'pool', size: 10 }]],
  },
  {
    title: 'Try all sizes',
    text: 'Twenty seconds. The curve rises until the cores are busy, stays, and falls. The sentences below it say why 10 beats 200.',
    buttons: [['Try all sizes', 'sweep']],
  },
  {
    title: 'Take the pool away',
    text: 'One connection for all: a queue with a single desk. One per request: most of the work is connecting, and many give up.',
    buttons: [['One for all', { handling: 'shared' }], ['One per request', { handling: 'each' }], ['The pool', { handling: 'pool' }]],
  },
  {
    title: 'Break the database',
    text: 'Killed: errors at once, and whole again by itself when it is back. Frozen: nothing ends; after 3 s users give up, and say why.',
    buttons: [['Kill', 'kill'], ['Start', 'start'], ['Freeze', 'freeze'], ['Thaw', 'thaw']],
  },
  {
    title: 'Make requests hang',
    text: 'Leak all ten, or hold one row: the database idles, nothing moves. Who holds, and the errors, tell which of the two it is.',
    buttons: [['Leak one', 'leak'], ['Give back', 'give-back'], ['Hold a row', 'transaction'], ['Let it go', 'end-transaction']],
  },
];

/** One step at a time, so that the charts stay in sight; the numbers lead to each. */
export function showTour(): void {
  const items = STEPS.map(stepOf);
  const numbers = STEPS.map(({ title }, index) => html('button', { type: 'button', title }, String(index + 1)));
  const next = html('button', { type: 'button', id: 'next' }, 'Next');
  let current = 0;
  const show = (step: number): void => {
    current = step;
    items.forEach((item, index) => { item.hidden = index !== step; });
    numbers.forEach((number, index) => number.setAttribute('aria-current', index === step ? 'step' : 'false'));
    next.disabled = step === STEPS.length - 1;
  };
  numbers.forEach((number, index) => number.addEventListener('click', () => show(index)));
  next.addEventListener('click', () => show(current + 1));
  const tour = byId('tour');
  tour.querySelector('ol')?.append(...items);
  tour.querySelector('nav')?.append(...numbers, next);
  show(0);
}

function stepOf({ title, text, buttons }: Step, index: number): HTMLLIElement {
  const item = html('li', { value: String(index + 1) });
  const row = html('div', {}, ...buttons.map(([label, doIt]) => {
    const button = html('button', { type: 'button' }, label);
    button.addEventListener('click', () => {
      item.className = 'done';
      if (typeof doIt === 'string') act(doIt);
      else set(doIt);
    });
    return button;
  }));
  item.append(html('p', {}, html('b', {}, `${index + 1}. ${title}`), ` ${text}`), row);
  return item;
}
