// Where does this process run? A server lives on and its timers run. A function is frozen between two invocations: it closes nothing, and
// what it holds at a database stays held. So its pool is small and lets go soon, and the server is told to take back by itself what nobody
// has used for a while (a dead-man timeout): whoever is frozen cannot.
//
// A live process must never meet that timeout. Its pool lets no connection be silent for as long: it closes it before (`idleTimeoutMs`) or,
// where `min` keeps it, pings it before (`keepaliveIntervalMs`). Both stay below the server's timeout by a margin, for late timers.

import type { PoolOptions } from '../../index.ts';
import { invalid } from './options.ts';

/**
 * - `'auto'`: a function on AWS Lambda, Vercel, Netlify and Google Cloud Functions, else a server; told by the environment.
 * - `'server'`: the process lives on.
 * - `'function'`: the process is frozen between invocations, without notice.
 */
export type Runtime = 'auto' | 'server' | 'function';

/** For adapters of every kind. */
export interface RuntimeOptions {
  /**
   * What the defaults are made for. `'function'`: `max` 4 (where one pool has one address), `idleTimeoutMs` 5 000, no keepalive, and where
   * the server can take connections back, it does so after 30 000 ms. Options that are given win over it. Default `'auto'`.
   */
  readonly runtime?: Runtime;
}

/** For adapters whose server can end a session that nobody uses. */
export interface DeadManOptions extends RuntimeOptions {
  /**
   * The server ends a session that has been silent for this long outside of a transaction, whether it is idle here or borrowed. In
   * milliseconds; 0 or Infinity: never. Default: 30 000 with `runtime: 'function'`, else never. `idleTimeoutMs` and, with `min`,
   * `keepaliveIntervalMs` have to be shorter, and are by default.
   */
  readonly sessionIdleTimeoutMs?: number;
  /** The same for a session that is silent within a transaction, and holds its locks. The transaction is rolled back. */
  readonly transactionIdleTimeoutMs?: number;
}

export const DEAD_MAN_KEYS = ['runtime', 'sessionIdleTimeoutMs', 'transactionIdleTimeoutMs'] as const;

/** What of a pool's options is settled here. */
type PoolPart = Pick<PoolOptions<unknown>, 'min' | 'max' | 'idleTimeoutMs' | 'keepaliveIntervalMs'>;

export interface SettledRuntime {
  readonly runtime: 'server' | 'function';
  /** The adapter's defaults, the preset and what was given, the last winning. */
  readonly pool: Record<string, unknown>;
  /** Milliseconds for the server; 0: it is told nothing. */
  readonly sessionIdleTimeoutMs: number;
  readonly transactionIdleTimeoutMs: number;
}

type Preset = Readonly<Record<'max' | 'idleTimeoutMs' | 'keepaliveIntervalMs', number>>;

const FUNCTION: Preset = { max: 4, idleTimeoutMs: 5_000, keepaliveIntervalMs: 0 };
const FUNCTION_DEAD_MAN_MS = 30_000;
const DEFAULT_IDLE_TIMEOUT_MS = 600_000;
/** The longest that PostgreSQL takes. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Every adapter calls this once, with what it was given for its pool and its own defaults for it, and makes its pool from what comes back.
 * With a server that has such timeouts, it then sets the two on each session, without a round trip of their own. Throws
 * {@link InvalidOptionError}.
 */
export function settleRuntime(
  given: DeadManOptions & PoolPart, pool: Record<string, unknown>, defaults: Record<string, unknown>, name: string,
): SettledRuntime {
  const runtime = runtimeOf(given.runtime, name);
  const fallback = runtime === 'function' ? FUNCTION_DEAD_MAN_MS : 0;
  const session = deadManOf('sessionIdleTimeoutMs', given.sessionIdleTimeoutMs ?? fallback, name);
  const transaction = deadManOf('transactionIdleTimeoutMs', given.transactionIdleTimeoutMs ?? fallback, name);
  const settled = { ...defaults, ...presetOf(given, name), ...pool };
  if (session === 0) return { runtime, pool: settled, sessionIdleTimeoutMs: 0, transactionIdleTimeoutMs: transaction };
  const below = belowDeadMan(given, settled, session);
  const silent = silenceOf(below);
  if (silent <= longestSilence(session)) {
    return { runtime, pool: below, sessionIdleTimeoutMs: session, transactionIdleTimeoutMs: transaction };
  }
  if (given.sessionIdleTimeoutMs !== undefined) {
    const key = (below.min ?? 0) > 0 ? 'keepaliveIntervalMs' : 'idleTimeoutMs';
    const most = longestSilence(session);
    throw invalid(key, `must be at most ${most}: after sessionIdleTimeoutMs (${session}) the server ends what is idle`, name);
  }
  // What was asked for wins over the preset: the server waits for longer, or for ever.
  return {
    runtime, pool: settled, sessionIdleTimeoutMs: silent < LONGEST_MS / 2 ? 2 * silent : 0, transactionIdleTimeoutMs: transaction,
  };
}

/** What `runtime` changes of a pool's defaults, for an adapter whose server has no timeout that could be set: nothing on a server. */
export function presetOf(given: RuntimeOptions & Pick<PoolPart, 'min'>, name: string): Partial<Preset> {
  if (runtimeOf(given.runtime, name) === 'server') return {};
  return { ...FUNCTION, max: Math.max(FUNCTION.max, Number(given.min) || 0) };
}

/** The same for pools by address: how many connections one invocation needs at once is not known, so `max` stays. */
export function presetPerKey(given: RuntimeOptions, name: string): Partial<Preset> {
  const { max: _, ...preset } = presetOf(given, name);
  return preset;
}

function runtimeOf(given: Runtime | undefined, name: string): 'server' | 'function' {
  // oxlint-disable-next-line node/no-process-env -- where it runs is told by the environment alone
  if (given === undefined || given === 'auto') return isFunction(process.env) ? 'function' : 'server';
  if (given !== 'server' && given !== 'function') throw invalid('runtime', "must be one of 'auto', 'server', 'function'", name);
  return given;
}

/**
 * Only platforms that are known to freeze the process. Not Cloud Run as such (K_SERVICE alone): whether it has its CPU between requests is
 * a setting that the process cannot see, and one instance serves many requests at a time. Not Azure Functions: they run on until the end.
 */
export function isFunction(env: Readonly<Record<string, string | undefined>>): boolean {
  const { AWS_LAMBDA_FUNCTION_NAME: lambda, AWS_LAMBDA_INITIALIZATION_TYPE: how, VERCEL: vercel } = env;
  // Lambda on instances of one's own serves many at a time, and is not frozen.
  if (lambda) return how !== 'lambda-managed-instances';
  return vercel === '1' || Boolean(env['K_SERVICE'] && env['FUNCTION_TARGET']);
}

/** Whole milliseconds; 0: never. */
export function deadManOf(key: string, ms: number, name: string): number {
  if (typeof ms !== 'number' || !(ms >= 0)) throw invalid(key, 'must be a number of milliseconds of at least 0', name);
  return ms > LONGEST_MS ? 0 : Math.ceil(ms);
}

/** The options with the defaults among them lowered to what the dead-man timeout leaves room for. */
function belowDeadMan(given: PoolPart, settled: Record<string, unknown>, sessionMs: number): PoolPart & Record<string, unknown> {
  const most = longestSilence(sessionMs);
  const { min = 0, idleTimeoutMs = DEFAULT_IDLE_TIMEOUT_MS, keepaliveIntervalMs = 0 } = settled as PoolPart;
  const lowered: Record<string, unknown> = { ...settled };
  if (given.idleTimeoutMs === undefined && min === 0) lowered['idleTimeoutMs'] = Math.min(idleTimeoutMs, most);
  if (given.keepaliveIntervalMs === undefined && min > 0) lowered['keepaliveIntervalMs'] = Math.min(keepaliveIntervalMs || Infinity, most);
  return lowered;
}

/** For how long a connection may idle in a live process without a sign of life. */
function silenceOf({ min = 0, idleTimeoutMs = DEFAULT_IDLE_TIMEOUT_MS, keepaliveIntervalMs = 0 }: PoolPart): number {
  const pinged = keepaliveIntervalMs || Infinity;
  return min > 0 ? pinged : Math.min(idleTimeoutMs || Infinity, pinged);
}

/** A margin of a fifth, at least a second, at most half. */
function longestSilence(sessionMs: number): number {
  return Math.floor(sessionMs - Math.min(sessionMs / 2, Math.max(1_000, sessionMs / 5)));
}
