// Tells which connections a request may use.

import type { HttpOrigin } from './dispatcher-types.ts';
import type { Dispatch } from './driver.ts';

/** Origins come back with every request; parsing an URL costs a microsecond. */
const MOST_KNOWN = 1_000;

export class Origins {
  readonly #known = new Map<string, HttpOrigin>();

  /** Undefined: there is none in the options, or it is no http or https URL. */
  of(options: Dispatch): HttpOrigin | undefined {
    const { origin } = options;
    if (typeof origin !== 'string' && !(origin instanceof URL)) return undefined;
    const text = typeof origin === 'string' ? origin : origin.origin;
    const known = this.#known.get(text) ?? this.#add(text);
    if (known === undefined || known.url.protocol === 'http:') return known;
    const servername = servernameOf(options);
    // Also where it is the host itself: a Client reconnects when the name that a request says differs from the last one's.
    if (servername === undefined) return known;
    return { key: `${known.key}#${servername}`, url: known.url, servername };
  }

  #add(text: string): HttpOrigin | undefined {
    let url: URL;
    try {
      url = new URL(text);
    } catch {
      return undefined;
    }
    if ((url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '') return undefined;
    const origin: HttpOrigin = { key: url.origin, url: new URL(url.origin), servername: undefined };
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.set(text, origin);
    return origin;
  }
}

/** The name that TLS asks for and checks: `servername`, else that of a Host header. */
function servernameOf({ servername, headers }: Dispatch): string | undefined {
  if (typeof servername === 'string' && servername !== '') return servername;
  const host = hostIn(headers);
  if (host === undefined) return undefined;
  const name = host.startsWith('[') ? undefined : host.replace(/:\d*$/, '');
  // An address is no name.
  return name === undefined || /^[\d.]*$/.test(name) ? undefined : name;
}

/** In whichever way undici takes headers: as names and values in turn, as something that gives pairs, or as an object. */
function hostIn(headers: unknown): string | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined;
  if (Array.isArray(headers)) {
    for (let i = 0; i + 1 < headers.length; i += 2) if (isHost(headers[i])) return textOf(headers[i + 1]);
    return undefined;
  }
  if (isIterable(headers)) {
    // What can be gone through once only is left for the Client.
    if ((headers[Symbol.iterator]() as unknown) === headers) return undefined;
    for (const [name, value] of headers) if (isHost(name)) return textOf(value);
    return undefined;
  }
  const named = headers as Readonly<Record<string, unknown>>;
  for (const name in named) if (isHost(name) && Object.hasOwn(named, name)) return textOf(named[name]);
  return undefined;
}

function isIterable(headers: object): headers is Iterable<readonly unknown[]> {
  return typeof (headers as Partial<Iterable<unknown>>)[Symbol.iterator] === 'function';
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || Buffer.isBuffer(value) ? value.toString() : undefined;
}

function isHost(name: unknown): boolean {
  return (typeof name === 'string' || Buffer.isBuffer(name)) && name.length === 4 && String(name).toLowerCase() === 'host';
}
