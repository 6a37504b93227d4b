// Tells the kinds of options apart that arrive in one object (the pool's, where to connect, how to), and refuses what is none of them. No
// message shows a value: any of them might be a passphrase in the wrong place.

import { isIP, type NetConnectOpts, type Socket } from 'node:net';
import { createSecureContext, type ConnectionOptions } from 'node:tls';
import type { PoolOptions } from '../../index.ts';
import type { ConnectSettings } from './connect.ts';
import type { TcpAddress, TcpConnectOptions, TcpFactoryOptions, TcpPoolOptions, TcpPoolsOptions, TlsOptions } from './types.ts';
import { checkKeys, invalid, nameIn, poolKeys, sortOptions } from '../common/options.ts';
import { presetOf, presetPerKey } from '../common/runtime.ts';

const ADDRESS_KEYS = ['host', 'port', 'path'] as const;
const CONNECT_KEYS: readonly (keyof TcpConnectOptions)[] = [
  'tls', 'requireAlpn', 'maxCachedSessions', 'keepAlive', 'keepAliveInitialDelayMs', 'noDelay', 'lookup', 'family', 'localAddress',
  'autoSelectFamily', 'autoSelectFamilyAttemptTimeoutMs', 'onConnect', 'validate', 'classify',
];
const POOL_KEYS = poolKeys();
/** Of a keyed pool, besides those of the pool of each key. */
const KEYED_KEYS = ['maxTotal', 'forgetAfterMs'] as const;

/** What those who come from net.connect, tls.connect or an agent will write. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  keepAliveInitialDelay: 'keepAliveInitialDelayMs',
  keepAliveMsecs: 'keepAliveInitialDelayMs',
  autoSelectFamilyAttemptTimeout: 'autoSelectFamilyAttemptTimeoutMs',
  timeout: 'createTimeoutMs for the connect, validateAfterIdleMs and idleTimeoutMs for idle connections',
  socketPath: 'path',
  maxSockets: 'max',
  maxTotalSockets: 'maxTotal, of createTcpPools',
  maxFreeSockets: 'min and idleTimeoutMs',
  allowHalfOpen: 'nothing: a connection of which one half has ended is not lent again',
  localPort: 'nothing: one port cannot carry two connections to the same address',
  factory: 'a plain Pool with tcpFactory',
  ALPNProtocols: 'tls.ALPNProtocols',
  rejectUnauthorized: 'tls.rejectUnauthorized',
  servername: 'tls.servername',
  ca: 'tls.ca',
  cert: 'tls.cert',
  key: 'tls.key',
};

/** What the pool decides about TLS. */
const NOT_FOR_TLS = ['host', 'port', 'path', 'socket', 'session', 'timeout', 'lookup'];
const LONGEST_MS = 2 ** 31 - 1;

/** Everything a factory needs to know, checked. */
export interface FactorySettings {
  readonly connect: Omit<ConnectSettings, 'tickets'>;
  readonly maxCachedSessions: number;
  readonly onConnect: TcpConnectOptions['onConnect'];
  readonly validate: TcpConnectOptions['validate'];
  readonly classify: TcpConnectOptions['classify'];
}

/** The options of {@link createTcpPool}, sorted. */
export function splitPoolOptions(options: TcpPoolOptions): {
  readonly pool: Omit<PoolOptions<Socket>, 'factory'>; readonly factory: TcpFactoryOptions;
} {
  const name = nameIn(options, 'tcp');
  checkKeys('', options, [...POOL_KEYS, ...ADDRESS_KEYS, ...CONNECT_KEYS, 'runtime'], name, ELSEWHERE);
  const { pool, factory } = sortOptions(options, POOL_KEYS, [...ADDRESS_KEYS, ...CONNECT_KEYS]);
  return { pool: { ...creating(options), ...presetOf(options, name), ...pool }, factory: factory as unknown as TcpFactoryOptions };
}

/** The options of {@link createTcpPools}, sorted. */
export function splitPoolsOptions(options: TcpPoolsOptions): {
  readonly pool: Omit<TcpPoolsOptions, keyof TcpConnectOptions>; readonly connect: TcpConnectOptions;
} {
  const name = nameIn(options, 'tcp');
  const keyed = [...poolKeys('budget'), ...KEYED_KEYS];
  checkKeys('', options, [...keyed, ...CONNECT_KEYS, 'runtime'], name, {
    ...ELSEWHERE,
    ...Object.fromEntries(ADDRESS_KEYS.map((key) => [key, 'part of the address that each acquire names'])),
    keyOf: 'nothing: an address is its own key',
    budget: 'maxTotal',
  });
  const { pool, factory: connect } = sortOptions(options, keyed, CONNECT_KEYS);
  // What concerns every address is checked now, not when the first one comes, and what TLS is made of is read once for all.
  const { secureContext } = factorySettings({ ...connect, port: 1 }, name).connect.tls ?? {};
  const tls = secureContext === undefined ? {} : { tls: { ...(options.tls === true ? {} : options.tls as TlsOptions), secureContext } };
  return { pool: { ...creating(options), ...presetPerKey(options, name), ...pool }, connect: { ...connect, ...tls } };
}

/**
 * A connect over TCP costs a server next to nothing, and one that is refused even less. So all that are needed may run at once, and a
 * server that comes back need not wait long to be found; with TLS the pool's own defaults hold.
 */
function creating({ tls }: TcpConnectOptions): Pick<PoolOptions<Socket>, 'maxCreating' | 'createRetry'> {
  return tls === undefined || tls === false ? { maxCreating: Infinity, createRetry: { maxDelayMs: 500 } } : {};
}

/** The options of {@link tcpFactory}, checked. */
export function factorySettings(options: TcpFactoryOptions, name: string): FactorySettings {
  if (typeof options !== 'object' || options === null) throw invalid('options', 'must be an object', name);
  checkKeys('', options, [...ADDRESS_KEYS, ...CONNECT_KEYS], name, ELSEWHERE);
  checkAddress(options, name);
  checkValues(options, name);
  const {
    tls = false, requireAlpn = false, maxCachedSessions = 100, keepAlive = true, keepAliveInitialDelayMs = 60_000, noDelay = true,
    onConnect, validate, classify,
  } = options;
  const secure = tls === false ? undefined : tlsOptions(tls === true ? {} : tls, options.host, name);
  return {
    connect: {
      connect: netOptions(options), tls: secure, requiredProtocols: requireAlpn ? protocolsOf(secure, name) : undefined,
      address: keyOf(options), keepAlive, keepAliveInitialDelayMs, noDelay,
    },
    maxCachedSessions, onConnect, validate, classify,
  };
}

/** What makes two addresses the same: names of hosts know no case. Throws {@link InvalidOptionError}. */
export function keyOf(address: TcpAddress, name = 'tcp'): string {
  checkAddress(address, name);
  const { path, host = 'localhost', port } = address;
  if (path === undefined) return `${host.toLowerCase()}:${port}`;
  // A bare name could be that of a host.
  return path.includes('/') ? path : `./${path}`;
}

function checkAddress(address: TcpAddress, name: string): void {
  if (typeof address !== 'object' || address === null) throw invalid('address', 'must be an object with a port, or with a path', name);
  const { host, port, path } = address;
  if (path !== undefined) {
    if (typeof path !== 'string' || path === '') throw invalid('path', 'must be the path of a Unix socket', name);
    const twice = host !== undefined || port !== undefined;
    if (twice) throw invalid('path', 'and host or port say where to connect twice: give one of them', name);
    return;
  }
  if (host !== undefined && (typeof host !== 'string' || host === '')) throw invalid('host', 'must be a name or an address', name);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw invalid('port', 'must be a whole number from 1 to 65535', name);
}

function checkValues(options: TcpConnectOptions, name: string): void {
  const expect = (key: keyof TcpConnectOptions, isRight: (value: unknown) => boolean, what: string): void => {
    if (options[key] !== undefined && !isRight(options[key])) throw invalid(key, `must be ${what}`, name);
  };
  for (const key of ['requireAlpn', 'keepAlive', 'noDelay', 'autoSelectFamily'] as const) {
    expect(key, (value) => typeof value === 'boolean', 'true or false');
  }
  for (const key of ['lookup', 'onConnect', 'validate', 'classify'] as const) {
    expect(key, (value) => typeof value === 'function', 'a function');
  }
  for (const key of ['keepAliveInitialDelayMs', 'autoSelectFamilyAttemptTimeoutMs'] as const) {
    expect(key, (value) => typeof value === 'number' && value > 0 && value <= LONGEST_MS, 'a number of milliseconds above 0');
  }
  expect('tls', (value) => typeof value === 'boolean' || (typeof value === 'object' && value !== null), 'true, false or an object');
  expect('maxCachedSessions', (value) => Number.isInteger(value) && (value as number) >= 0, 'a whole number of at least 0');
  expect('family', (value) => [0, 4, 6].includes(value as number), '0, 4 or 6');
  expect('localAddress', (value) => typeof value === 'string' && isIP(value) !== 0, 'an IP address');
}

/** Node's names for them. */
function netOptions(options: TcpFactoryOptions): NetConnectOpts {
  const { host = 'localhost', port, path, lookup, family, localAddress, autoSelectFamily, autoSelectFamilyAttemptTimeoutMs } = options;
  if (path !== undefined) return { path };
  const given = {
    host, port, lookup, family, localAddress, autoSelectFamily, autoSelectFamilyAttemptTimeout: autoSelectFamilyAttemptTimeoutMs,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as unknown as NetConnectOpts;
}

function tlsOptions(given: ConnectionOptions, host: string | undefined, name: string): ConnectionOptions {
  for (const key of NOT_FOR_TLS) {
    if (Object.hasOwn(given, key)) throw invalid(`tls.${key}`, 'is for the pool to decide', name);
  }
  let { secureContext } = given;
  try {
    // Once, not for each connection: to read a list of authorities takes longer than a handshake.
    secureContext ??= createSecureContext(given);
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    const kind = typeof code === 'string' ? ` (${code})` : '';
    throw invalid('tls', `cannot be read by Node: look at ca, cert, key and their likes${kind}`, name);
  }
  // Node would send no name of its own accord, and many servers have more than one.
  const named = host !== undefined && isIP(host) === 0 ? { servername: host } : host === undefined ? { servername: 'localhost' } : {};
  return { ...named, ...given, secureContext };
}

function protocolsOf(tls: ConnectionOptions | undefined, name: string): readonly string[] {
  const protocols = tls?.ALPNProtocols;
  const listed = Array.isArray(protocols) && protocols.length > 0 && protocols.every((each) => typeof each === 'string');
  if (!listed) throw invalid('requireAlpn', 'needs tls.ALPNProtocols, as a list of names', name);
  return protocols;
}
