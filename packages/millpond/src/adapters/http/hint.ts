// What a server says about how long it keeps a connection open: `Keep-Alive: timeout=5, max=100`. Whoever sends a request just as the
// server's patience ends gets a reset instead of an answer, and cannot tell whether the request was read. So a connection is left alone
// some time before that: by a margin for what is on its way in both directions.

export interface KeepAliveHint {
  /** How long the server keeps the connection open while it is idle; undefined: it did not say. */
  readonly timeoutMs: number | undefined;
  /** How many more requests it takes; undefined: it did not say. */
  readonly max: number | undefined;
}

const PARAMETER = /(?:^|[,;])\s*(timeout|max)\s*=\s*"?(\d{1,9})(?!\d)/gi;

/** The value of a `Keep-Alive` header. What cannot be understood says nothing. */
export function parseKeepAlive(value: string): KeepAliveHint {
  let timeoutMs: number | undefined;
  let max: number | undefined;
  for (const [, name, digits] of value.matchAll(PARAMETER)) {
    if (name!.toLowerCase() === 'timeout') timeoutMs ??= Number(digits) * 1_000;
    else max ??= Number(digits);
  }
  return { timeoutMs, max };
}

/** The value of a header in a list of names and values, as a parser leaves it: without making an object of all of them. */
export function rawHeader(raw: readonly string[], name: string): string | undefined {
  for (let at = 0; at < raw.length; at += 2) {
    const candidate = raw[at]!;
    if (candidate.length === name.length && candidate.toLowerCase() === name) return raw[at + 1];
  }
  return undefined;
}

/** How long such a connection may be idle and still be used. The margin is never more than half of what the server said. */
export function usableMs(timeoutMs: number, marginMs: number): number {
  return timeoutMs - Math.min(marginMs, timeoutMs / 2);
}
