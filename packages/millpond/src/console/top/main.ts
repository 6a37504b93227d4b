#!/usr/bin/env node
// `millpond top`: the console in a terminal. It asks once a second, and goes on asking when the process is gone, as the page does; a
// script that wants one answer is told when there is none.

import type { Snapshot } from '../view.ts';
import { readArguments, USAGE, type Asked } from './arguments.ts';
import { History, pictureOf } from './picture.ts';

const INTERVAL_MS = 1_000;
const PATIENCE_MS = 5_000;
/** Another screen, without a cursor; and back. */
const ENTER = '\u001B[?1049h\u001B[?25l';
const LEAVE = '\u001B[?25h\u001B[?1049l';
const HOME = '\u001B[H';
const TO_END_OF_LINE = '\u001B[K';
const TO_END = '\u001B[J';

async function ask({ url, headers }: Asked): Promise<Snapshot> {
  let response: Response;
  try {
    response = await fetch(url, { headers, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (error) {
    const why = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new Error(`nothing answers at ${url.origin}: ${why}`, { cause: error });
  }
  if (!response.ok) throw new Error(`${url.origin} says ${response.status}: ${(await response.text()).trim().slice(0, 300)}`);
  if (response.headers.get('content-type') !== 'application/json') throw new Error(`${url.href} is no console of millpond's`);
  return await response.json() as Snapshot;
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A line of JSON per snapshot. */
async function print(asked: Asked): Promise<void> {
  do {
    process.stdout.write(`${JSON.stringify(await ask(asked))}\n`);
    if (!asked.once) await new Promise((resolve) => { setTimeout(resolve, INTERVAL_MS); });
  } while (!asked.once);
}

async function draw(asked: Asked): Promise<void> {
  const { stdin, stdout } = process;
  const size = (): { width: number; height: number } => ({ width: stdout.columns ?? 120, height: stdout.rows ?? 40 });
  const history = new History();
  if (asked.once) {
    const snapshot = await ask(asked);
    history.note(snapshot);
    stdout.write(`${pictureOf(snapshot, history, size()).join('\n')}\n`);
    return;
  }
  stdout.write(ENTER);
  process.on('exit', () => {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdout.write(LEAVE);
  });
  // Keys come one by one, and as nothing but keys: Ctrl-C too.
  if (stdin.isTTY) {
    stdin.setRawMode(true).on('data', (keys: Buffer) => {
      if (/[q\u0003\u0004]/.test(keys.toString())) process.exit(0);
    });
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(0));
  let lines: string[] = [];
  for (;;) {
    let trouble = '';
    try {
      const snapshot = await ask(asked);
      history.note(snapshot);
      lines = pictureOf(snapshot, history, size());
    } catch (error) {
      trouble = `! ${words(error)}; trying again`;
    }
    const shown = trouble === '' ? lines : [trouble, ...lines.slice(1)];
    stdout.write(`${HOME}${shown.map((line) => line + TO_END_OF_LINE).join('\n')}${TO_END}`);
    await new Promise((resolve) => { setTimeout(resolve, INTERVAL_MS); });
  }
}

async function main(): Promise<void> {
  let asked: Asked | undefined;
  try {
    asked = readArguments(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`millpond: ${words(error)}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  if (asked === undefined) {
    process.stdout.write(USAGE);
    return;
  }
  // Whoever reads may stop reading, as `head` does.
  process.stdout.on('error', () => process.exit(0));
  try {
    await (asked.json ? print(asked) : draw(asked));
  } catch (error) {
    process.stderr.write(`millpond top: ${words(error)}\n`);
    process.exitCode = 1;
  }
}

await main();
