// What tests of the console set up, and take down again behind each of them.

import { afterEach } from 'vitest';
import { Pool } from 'millpond';
import { createConsole, type Console, type ConsoleOptions } from 'millpond/console';

/** What is to be done behind the test, the last first. */
export const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** A pool of two that has nothing to do. */
export function open(name: string): Pool<object> {
  const pool = new Pool<object>({ name, max: 2, factory: { create: () => ({}), destroy: () => undefined } });
  undo.push(() => pool.close({ deadlineMs: 0 }));
  return pool;
}

export function consoleOf(options: ConsoleOptions = {}): Console {
  const made = createConsole(options);
  undo.push(() => made.close());
  return made;
}
