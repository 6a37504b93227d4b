// What the users got, counted in slices of a quarter of a second. Figures of time look back a whole second: a slice has too few answers.
import { percentile } from '../percentiles.ts';
import type { ErrorLine } from './page/wire.ts';

export const SLICE_MS = 250;
const SLICES = 4;
/** Kinds of errors that are kept apart; what comes after them counts as others. */
const MOST_KINDS = 12;

interface Slice {
  readonly atMs: number;
  readonly latencies: number[];
  ok: number;
  errors: number;
}

/** Between two moments. */
export interface Span {
  readonly seconds: number;
  readonly ok: number;
  readonly errors: number;
  readonly p50: number;
  readonly p99: number;
}

export class Gauge {
  readonly #patienceMs: number;
  readonly #slices: Slice[] = [];
  readonly #errors = new Map<string, { count: number; message: string }>();
  #current: Slice = newSlice();
  ok = 0;
  failed = 0;

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  addOk(waitedMs: number): void {
    this.ok += 1;
    this.#current.ok += 1;
    this.#current.latencies.push(waitedMs);
  }

  addError(error: unknown, waitedMs: number): void {
    this.failed += 1;
    this.#current.errors += 1;
    // Who gave up has waited; who was refused at once has not, and would only make the figures look better.
    if (waitedMs >= this.#patienceMs * 0.9) this.#current.latencies.push(waitedMs);
    const code = codeOf(error);
    const kind = this.#errors.has(code) || this.#errors.size < MOST_KINDS ? code : 'others';
    const known = this.#errors.get(kind);
    this.#errors.set(kind, { count: (known?.count ?? 0) + 1, message: messageOf(error) });
  }

  /** Ends a slice. Returns the last one's rates, and times over the last second. */
  slice(nowMs: number): Span {
    const ended = this.#current;
    this.#slices.push(ended);
    if (this.#slices.length > SLICES) this.#slices.shift();
    this.#current = newSlice(nowMs);
    return { ...spanOf([ended], nowMs), ...timesOf(this.#slices) };
  }

  /** By how often they came. */
  errors(): ErrorLine[] {
    return [...this.#errors].map(([code, rest]) => ({ code, ...rest })).sort((a, b) => b.count - a.count);
  }
}

function newSlice(atMs: number = performance.now()): Slice {
  return { atMs, latencies: [], ok: 0, errors: 0 };
}

function spanOf(slices: readonly Slice[], nowMs: number): Pick<Span, 'seconds' | 'ok' | 'errors'> {
  const [first] = slices;
  return {
    seconds: first === undefined ? 0 : (nowMs - first.atMs) / 1000,
    ok: slices.reduce((sum, slice) => sum + slice.ok, 0),
    errors: slices.reduce((sum, slice) => sum + slice.errors, 0),
  };
}

function timesOf(slices: readonly Slice[]): Pick<Span, 'p50' | 'p99'> {
  const ascending = Float64Array.from(slices.flatMap(({ latencies }) => latencies)).sort();
  return { p50: percentile(ascending, 0.5), p99: percentile(ascending, 0.99) };
}

function codeOf(error: unknown): string {
  const { code, name, message } = error as { code?: unknown; name?: unknown; message?: unknown };
  if (typeof code === 'string') return code;
  // node-postgres gives its own timeouts and lost connections no code.
  if (typeof message === 'string' && /timeout|terminated/i.test(message)) return message.slice(0, 40);
  return typeof name === 'string' ? name : 'Error';
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 600);
}
