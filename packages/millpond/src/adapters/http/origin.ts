// What makes two requests go to the same place, as text that may be shown: it names pools, and stands in errors, stats and metrics. TLS
// options are part of the place (a client's certificate is an identity), and some of them are secrets: of those it shows a fingerprint.

import { createHash } from 'node:crypto';
import { isIP } from 'node:net';

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

export interface OriginPlace {
  /** With its colon. */
  readonly protocol: string;
  readonly host: string;
  readonly port?: number | string | undefined;
  readonly socketPath?: string | undefined;
}

/** `https://example.com`, `http://[::1]:8080`, `http://unix:/run/app.sock`; with `identity`, `https://example.com#5f2c9d07a1b3`. */
export function originText(
  { protocol, host, port, socketPath }: OriginPlace, identity = '',
): string {
  const suffix = identity === '' ? '' : `#${createHash('sha256').update(identity).digest('hex').slice(0, 12)}`;
  if (socketPath !== undefined) return `${protocol}//unix:${socketPath}${suffix}`;
  const shown = isIP(host) === 6 ? `[${host}]` : host;
  return `${protocol}//${shown}${port === undefined || Number(port) === DEFAULT_PORTS[protocol] ? '' : `:${port}`}${suffix}`;
}

/** The name for the TLS handshake, as Node derives it: of the Host header, or of the host; none for a bare address. */
export function serverNameOf(host: string, hostHeader?: string): string {
  const bracket = hostHeader?.startsWith('[') === true ? hostHeader.indexOf(']') : -1;
  const name = hostHeader === undefined ? host : bracket > 0 ? hostHeader.slice(1, bracket) : hostHeader.split(':', 1)[0]!;
  return isIP(name) === 0 ? name : '';
}

/** What decides whom a connection trusts, or speaks as, and is not part of the name that Node's agent gives it. */
const OF_TRUST = ['checkServerIdentity', 'secureContext', 'pskCallback', 'ALPNProtocols', 'minDHSize'] as const;

/** The same for options that trust the same; empty where they say no more than the agent's. */
export function trustText(options: Readonly<Record<string, unknown>>, agents: Readonly<Record<string, unknown>>): string {
  let text = '';
  for (const key of OF_TRUST) {
    const value = options[key];
    if (value === undefined || value === null || value === agents[key]) continue;
    const isText = key === 'ALPNProtocols' || (typeof value !== 'object' && typeof value !== 'function');
    text += `:${key}=${isText ? JSON.stringify(value) : numberOf(value)}`;
  }
  return text;
}

const numbers = new WeakMap<object, number>();
const sources = new Map<string, number>();
/** A program has as many as it has places where such functions are written; one that has more writes programs. */
const MOST_SOURCES = 1_000;
const NO_SOURCE = '[native code]';
let lastNumber = 0;

/**
 * An object is the same as itself only, a function the same as another of the same source: most are written where the request is made, and
 * otherwise each request would have a pool of its own. What is bound, or native, does not tell its source.
 */
function numberOf(value: object): number {
  let number = numbers.get(value);
  if (number === undefined) {
    const source = typeof value === 'function' ? String(value) : NO_SOURCE;
    const told = !source.includes(NO_SOURCE);
    number = (told ? sources.get(source) : undefined) ?? ++lastNumber;
    numbers.set(value, number);
    if (told && sources.size < MOST_SOURCES) sources.set(source, number);
  }
  return number;
}
