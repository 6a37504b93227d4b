// What the documentation has to agree with, read from the code: names and defaults of the public face.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Pool } from 'millpond';
import { DESTROY_REASONS } from '../../packages/millpond/src/engine/words.ts';
import { POOL_EVENTS } from '../../packages/millpond/src/events.ts';
import { POOL_OPTION_KEYS, resolveOptions, type PoolOptions } from '../../packages/millpond/src/options.ts';
import { filesBelow, plain } from './docs.ts';

/** What the code says. Defaults are written as the pages write them. */
export interface Code {
  /** Of a pool and of a keyed pool: a page each. */
  readonly options: Readonly<Record<string, string>>;
  readonly sheddingWhenTrue: string;
  readonly acquireOptions: readonly string[];
  readonly errorCodes: readonly string[];
  readonly classes: readonly string[];
  /** The fields of each event. */
  readonly events: Readonly<Record<string, readonly string[]>>;
  readonly reasons: readonly string[];
  readonly stats: readonly string[];
}

/** Stands where this file does not understand the code, so that no page can be right until it does. */
const UNKNOWN = 'not understood by tests/house/docs-code.ts';

const HOOKS = ['CREATE', 'VALIDATE', 'RESET', 'DESTROY'];

export function codeOf(root: string): Code {
  const src = join(root, 'packages/millpond/src');
  const read = (file: string): string => readFileSync(join(src, file), 'utf8');
  const files = filesBelow(src, '.ts').filter((file) => !file.startsWith(join(src, 'testing')));
  const published = files.map((file) => readFileSync(file, 'utf8')).join('\n');
  const factory = { create: () => ({}), destroy: () => {} };
  return {
    options: { ...poolDefaults({ factory }), ...keyedDefaults(read('keyed.ts')) },
    sheddingWhenTrue: literal(resolveOptions({ factory, shedding: true }, '').settings.shedding),
    acquireOptions: membersOf(read('options.ts'), 'AcquireOptions'),
    errorCodes: errorCodesIn(published),
    classes: [...published.matchAll(/\bclass (\w+)/g)].map((match) => match[1]!),
    events: eventFields(read('events.ts')),
    reasons: DESTROY_REASONS,
    stats: statsFields({ factory }),
  };
}

function poolDefaults(options: PoolOptions<object>): Record<string, string> {
  const { settings, acquireTimeoutMs, nested, stackShare } = resolveOptions(options, '');
  const defaults: Record<string, unknown> = {
    ...settings,
    acquireTimeoutMs,
    nested,
    captureStacks: stackShare === 0 ? false : stackShare,
    createRetry: settings.retryForWaiters && settings.retry,
    idleOrder: settings.lifo ? 'lifo' : 'fifo',
    breaker: settings.breaker ?? false,
    shedding: settings.shedding ?? false,
    lanes: settings.lanes.length === 1 && settings.lanes[0]?.name === 'default' ? undefined : settings.lanes,
    // These have nothing in the settings: they are used as they are given, or not at all.
    budget: undefined, clock: undefined, random: undefined,
  };
  const written = Object.fromEntries(POOL_OPTION_KEYS.map((key) => [key, key in defaults ? literal(defaults[key]) : UNKNOWN]));
  return { ...written, factory: 'required', name: new Pool(options).name.replace(/\d+$/, '1') };
}

/** The keyed pool keeps its own options to itself, so its constructor is read. */
function keyedDefaults(source: string): Record<string, string> {
  const own = membersOf(source, 'KeyedPoolOptions').filter((key) => !(POOL_OPTION_KEYS as readonly string[]).includes(key));
  return Object.fromEntries(own.map((key) => {
    const match = source.match(new RegExp(`= ${key} \\?\\? (\\w+);`)) ?? source.match(new RegExp(`'${key}', ${key}, (\\w+)[,)]`));
    return [key, match === null ? UNKNOWN : plain(match[1]!)];
  }));
}

/** The names of an interface's members. */
function membersOf(source: string, name: string): string[] {
  const body = source.match(new RegExp(`^export interface ${name}\\b.*?\\{\\n(.*?)^\\}`, 'ms'))?.[1] ?? '';
  return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map((match) => match[1]!);
}

function errorCodesIn(source: string): string[] {
  const codes = new Set(source.match(/ERR_POOL_[A-Z]+(?:_[A-Z]+)*\b/g));
  for (const [whole, expression, rest] of source.matchAll(/ERR_POOL_\$\{([^}]+)\}([A-Z_]*)/g)) {
    if (expression === 'string') continue;
    if (expression === 'hook.toUpperCase()') for (const hook of HOOKS) codes.add(`ERR_POOL_${hook}${rest}`);
    else codes.add(`${whole}, ${UNKNOWN}`);
  }
  return [...codes].sort();
}

function eventFields(source: string): Record<string, string[]> {
  const fields = new Map([...source.matchAll(/^ {2}(\w+): \{ (.*) \};$/gm)].map((match) => [match[1]!, match[2]!]));
  return Object.fromEntries(POOL_EVENTS.map((event) => [event, namesIn(fields.get(event) ?? '')]));
}

function namesIn(members: string): string[] {
  return [...members.matchAll(/readonly (\w+)\??:/g)].map((match) => match[1]!);
}

function statsFields(options: PoolOptions<object>): string[] {
  const stats = new Pool(options).stats();
  return [...Object.keys(stats), ...Object.keys(stats.totals)].filter((key) => key !== 'totals');
}

/** A value as the pages write it. */
function literal(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value !== 'object' || value === null) return String(value);
  return `{ ${Object.entries(value).map(([key, each]) => `${key}: ${literal(each)}`).join(', ')} }`;
}
