/// <reference lib="esnext.disposable" preserve="true" />
// millpond/debug: who holds what, in a process that runs. Nothing of it has to be there when the process starts but `debugOnSignal`, which
// waits for a signal and costs nothing until it comes.

import { Checker } from '../../options.ts';
import { everyPool, type PoolFilter } from '../watch.ts';
import { describe, reportOf, type LeakReport } from './report.ts';
import { capture } from './stacks.ts';
import { watchLeaks, type ReportTo } from './watcher.ts';

export type { LeakReport, PoolHoldings } from './report.ts';
export type { ReportTo } from './watcher.ts';
export type { PoolFilter } from '../watch.ts';

export interface DebugOptions {
  /** Which pools are meant. Default: every pool of the process, those that come meanwhile too. */
  readonly pools?: PoolFilter;
}

export interface ReportOptions extends DebugOptions {
  /** Default: the process's standard error. */
  readonly to?: ReportTo;
}

export interface SignalOptions extends ReportOptions {
  /** How long stacks are kept after a signal. Default: 60 000 ms. */
  readonly captureMs?: number;
}

export interface ReportLeaksOptions extends ReportOptions {
  /** At most one report of timeouts per pool in this time. Default: 60 000 ms; 0: each is reported. */
  readonly everyMs?: number;
  /** How long the stack of every acquire of a pool is kept after such a report, for the next one. Default: 60 000 ms; 0: not at all. */
  readonly captureMs?: number;
}

const MINUTE_MS = 60_000;

/**
 * Keeps the stack of every acquire from now on, for `ms` (default: one minute), and then as before. What is out already has none. Returns
 * how to end it earlier. Throws {@link InvalidOptionError}.
 */
export function captureStacksFor(ms: number = MINUTE_MS, options: DebugOptions = {}): () => void {
  const check = checked(options, ['pools']);
  return capture(check.duration('ms', ms, MINUTE_MS), options.pools ?? everyPool, () => undefined);
}

/** Who holds what, of every pool that lives, as data. */
export function leakReport(options: DebugOptions = {}): LeakReport {
  checked(options, ['pools']);
  return reportOf(options.pools ?? everyPool);
}

/** The same as a text: leases that were acquired at the same place stand together, with their number and the age of the oldest. */
export function describeLeaks(report: LeakReport = leakReport()): string {
  return describe(report);
}

/**
 * At each of these signals: a report, stacks for a minute, and then a report again, which knows where whatever was acquired meanwhile
 * comes from. A signal within that minute ends it. Returns how to stop. Node itself takes SIGUSR1 (for its inspector), nodemon SIGUSR2.
 */
export function debugOnSignal(signal: NodeJS.Signals, options: SignalOptions = {}): () => void {
  const check = checked(options, ['pools', 'to', 'captureMs']);
  const captureMs = check.duration('captureMs', options.captureMs, MINUTE_MS);
  const { pools = everyPool, to = toStandardError } = options;
  let end: (() => void) | undefined;
  const report = (when: string): void => to(`${signal}: ${when}\n${describe(reportOf(pools))}`);
  const over = (): void => {
    end = undefined;
    report('stacks are no longer kept.');
  };
  const onSignal = (): void => {
    if (end === undefined) {
      end = capture(captureMs, pools, over);
      report(`stacks are kept for ${captureMs / 1000} s.`);
    } else {
      end();
      over();
    }
  };
  process.on(signal, onSignal);
  return () => {
    process.off(signal, onSignal);
    end?.();
    end = undefined;
  };
}

/**
 * Reports by itself when an acquire times out while leases are out, and when a pool closes with leases out. The errors name the three
 * oldest leases; the report has all of them, by place. After such a report it keeps the pool's stacks for a minute. Returns how to stop.
 * Throws {@link InvalidOptionError}.
 */
export function reportLeaks(options: ReportLeaksOptions = {}): () => void {
  const check = checked(options, ['pools', 'to', 'everyMs', 'captureMs']);
  const everyMs = check.duration('everyMs', options.everyMs, MINUTE_MS);
  const captureMs = check.duration('captureMs', options.captureMs, MINUTE_MS);
  return watchLeaks(options.pools ?? everyPool, { to: options.to ?? toStandardError, everyMs, captureMs });
}

function checked(options: DebugOptions & { readonly to?: unknown }, known: readonly string[]): Checker {
  const check = new Checker('debug');
  check.object('options', options);
  check.keys('', options, known);
  check.functionAt('pools', options.pools, false);
  check.functionAt('to', options.to, false);
  return check;
}

function toStandardError(text: string): void {
  process.stderr.write(`${text}\n`);
}
