// What can be moved while it runs, and within what bounds.
import type { Handling, Limit, Numeric, Settings } from './page/wire.ts';

/** An order takes a little computing while it holds one of twenty popular rows: the load of a shop on a busy day. */
export const DEFAULTS: Settings = { users: 400, pauseMs: 0, cpuMs: 0.1, sleepMs: 0, rows: 20, handling: 'pool', size: 10 };

export const LIMITS: Readonly<Record<Numeric, Limit>> = {
  users: { least: 0, most: 1000, whole: true },
  pauseMs: { least: 0, most: 2000, whole: true },
  cpuMs: { least: 0, most: 20, whole: false },
  sleepMs: { least: 0, most: 200, whole: false },
  rows: { least: 0, most: 1000, whole: true },
  size: { least: 1, most: 200, whole: true },
};

const HANDLINGS: readonly Handling[] = ['pool', 'shared', 'each'];

/** What is wrong with what somebody sent, in words for them. */
export class WrongSetting extends Error {}

/** The settings with what `given` changes. Throws a {@link WrongSetting}. */
export function changed(settings: Settings, given: unknown): Settings {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw new WrongSetting('Settings are an object.');
  const patch: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) {
    if (key === 'handling') {
      if (!HANDLINGS.includes(value as Handling)) throw new WrongSetting(`handling is one of ${HANDLINGS.join(', ')}.`);
    } else if (Object.hasOwn(LIMITS, key)) {
      const { least, most, whole } = LIMITS[key as Numeric];
      const fits = typeof value === 'number' && value >= least && value <= most && (!whole || Number.isInteger(value));
      if (!fits) throw new WrongSetting(`${key} is a ${whole ? 'whole ' : ''}number from ${least} to ${most}.`);
    } else {
      throw new WrongSetting(`There is no setting "${key}".`);
    }
    patch[key] = value;
  }
  return { ...settings, ...patch };
}

/** Two loads whose figures may be compared have the same. */
export function loadOf({ users, pauseMs, cpuMs, sleepMs, rows }: Settings): string {
  return [users, pauseMs, cpuMs, sleepMs, rows].join(' ');
}

const WORDS: Readonly<Record<Numeric, (value: number) => string>> = {
  users: (value) => `${value} users`,
  pauseMs: (value) => `pause ${value} ms`,
  cpuMs: (value) => `computing ${value} ms`,
  sleepMs: (value) => `waiting ${value} ms`,
  rows: (value) => value === 0 ? 'own rows' : `${value} ${value === 1 ? 'row' : 'rows'}`,
  size: (value) => `pool of ${value}`,
};

const HANDLING_WORDS: Readonly<Record<Handling, string>> = {
  pool: 'a pool', shared: 'one shared connection', each: 'a connection per request',
};

/** What was changed, for the marks in the charts: a key and its words each. */
export function differences(from: Settings, to: Settings): (readonly [key: string, words: string])[] {
  const words: (readonly [string, string])[] = [];
  if (from.handling !== to.handling) words.push(['handling', HANDLING_WORDS[to.handling]]);
  for (const key of Object.keys(LIMITS) as Numeric[]) if (from[key] !== to[key]) words.push([key, WORDS[key](to[key])]);
  return words;
}
