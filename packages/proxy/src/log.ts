// The log: a line per event, in the words and the form that tools which read PgBouncer's log know.
//
//   2026-01-31 12:00:00.123 UTC [4711] LOG C-1a2b: shop/alice@127.0.0.1:51234 login attempt: db=shop user=alice tls=no

import { appendFileSync } from 'node:fs';
import type { Values } from './config/settings.ts';

/** A moment of `performance.now()` as a date, to the second. */
export function timeOf(at: number): string {
  return stamp(at).replace(/\.\d+ /, ' ');
}

/** By the clock that only counts: a log whose times jump back is no log. */
function stamp(at: number): string {
  return new Date(performance.timeOrigin + at).toISOString().replace('T', ' ').replace('Z', ' UTC');
}

export type Level = 'DEBUG' | 'LOG' | 'WARNING' | 'ERROR' | 'FATAL';

export interface LogOptions {
  /** Empty: none. */
  readonly file: string;
  /** Nothing to the terminal. */
  readonly quiet: boolean;
  /** 0 to 3: from 1 on with DEBUG. */
  readonly verbose: number;
  /** An object of JSON per line, for those who collect logs. */
  readonly json?: boolean;
}

/** The words that collectors of logs know. */
const SEVERITIES: Readonly<Record<Level, string>> = { DEBUG: 'debug', LOG: 'info', WARNING: 'warning', ERROR: 'error', FATAL: 'fatal' };

/** What clients call themselves before anybody knows them stands in lines: neither long nor able to look like other lines, or like more. */
const MAX_LINE = 2_000;
const CONTROLS = /[\p{Cc}\u2028\u2029]/gu;

function lineOf(level: Level, whole: string, json: boolean): string {
  const at = performance.now();
  const text = whole.length > MAX_LINE ? `${whole.slice(0, MAX_LINE)}...` : whole;
  if (!json) return `${stamp(at)} [${process.pid}] ${level} ${text.replace(CONTROLS, ' ')}\n`;
  const time = new Date(performance.timeOrigin + at).toISOString();
  return `${JSON.stringify({ time, level: SEVERITIES[level], pid: process.pid, message: text })}\n`;
}

/** What the settings say of it. */
export function logOptions(values: Values, quiet: boolean): LogOptions {
  return { file: values.logfile, quiet, verbose: values.verbose, json: values.log_format === 'json' };
}

export class Log {
  #options: LogOptions;
  #deaf = false;

  constructor(options: LogOptions) {
    this.#options = options;
  }

  /** After a reload. */
  configure(options: LogOptions): void {
    this.#options = options;
    this.#deaf = false;
  }

  write(level: Level, text: string): void {
    const { file, quiet, verbose, json = false } = this.#options;
    if (level === 'DEBUG' && verbose === 0) return;
    const line = lineOf(level, text, json);
    if (!quiet) process.stderr.write(line);
    if (file === '' || this.#deaf) return;
    try {
      appendFileSync(file, line);
    } catch (error) {
      // Once: a disk that is full must not fill the terminal as well.
      this.#deaf = true;
      const why = error instanceof Error ? error.message : String(error);
      process.stderr.write(lineOf('WARNING', `cannot write to ${file}: ${why}`, json));
    }
  }

  debug(text: string): void { this.write('DEBUG', text); }
  info(text: string): void { this.write('LOG', text); }
  warn(text: string): void { this.write('WARNING', text); }
  error(text: string): void { this.write('ERROR', text); }
}
