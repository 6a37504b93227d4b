// Tells the kinds of options apart that arrive in one object (the pools', those of `net` and `tls`, the agent's own), and refuses what is
// none of them. No message shows a value: it might be a private key.

import type { KeyedPoolOptions } from '../../index.ts';
import { checkKeys, invalid, nameIn, poolKeys, sortOptions } from '../common/options.ts';
import { presetPerKey } from '../common/runtime.ts';
import type { AgentSocket } from './agent-internals.ts';
import type { HttpAgentOptions, HttpsAgentOptions, TlsKey } from './types.ts';

const SOCKET_KEYS = [
  'localAddress', 'localPort', 'family', 'hints', 'lookup', 'noDelay', 'keepAliveInitialDelay', 'autoSelectFamily',
  'autoSelectFamilyAttemptTimeout', 'socketPath', 'timeout',
] as const satisfies readonly (keyof HttpAgentOptions)[];

const TLS_KEYS = [
  'ca', 'cert', 'key', 'passphrase', 'pfx', 'servername', 'rejectUnauthorized', 'checkServerIdentity', 'ALPNProtocols', 'ciphers',
  'ecdhCurve', 'dhparam', 'crl', 'honorCipherOrder', 'minVersion', 'maxVersion', 'secureProtocol', 'secureOptions', 'secureContext',
  'sigalgs', 'sessionIdContext', 'clientCertEngine', 'privateKeyEngine', 'privateKeyIdentifier', 'minDHSize', 'enableTrace',
  'pskCallback',
] as const satisfies readonly TlsKey[];

const OWN_KEYS = ['keepAliveTimeoutMs', 'keepAliveMarginMs', 'retry', 'runtime'] as const;

const KEYED_KEYS = ['maxTotal', 'forgetAfterMs'] as const;

const POOL_KEYS = [...poolKeys('sharing', 'budget'), ...KEYED_KEYS];

/** What those who come from Node's agent, or agentkeepalive, will write. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  keepAlive: 'nothing: connections are always kept',
  keepAliveMsecs: 'keepAliveInitialDelay',
  maxSockets: 'max',
  maxTotalSockets: 'maxTotal',
  maxFreeSockets: 'nothing: what is idle for too long is closed (keepAliveTimeoutMs, idleTimeoutMs)',
  scheduling: "idleOrder, and 'lifo' unless you say otherwise",
  freeSocketTimeout: 'keepAliveTimeoutMs',
  socketActiveTTL: 'maxLifetimeMs',
  host: 'said by each request',
  port: 'said by each request',
  proxyEnv: 'nothing: override createConnection to go through a proxy',
  sharing: 'nothing: a connection carries one request at a time',
  budget: 'maxTotal',
  factory: 'createConnection of a derived class',
  keyOf: 'getName of a derived class',
};

export interface AgentSettings {
  readonly name: string;
  readonly pools: Omit<KeyedPoolOptions<never, AgentSocket>, 'factory' | 'keyOf'>;
  /** Of `net` and `tls`. */
  readonly connect: Readonly<Record<string, unknown>>;
  readonly keepAliveTimeoutMs: number;
  readonly keepAliveMarginMs: number;
  readonly retry: boolean;
  readonly acquireTimeoutMs: number;
}

/** Differences to the defaults of the pool. */
const DEFAULTS = {
  // A caller of node:http expects ECONNREFUSED at once, and tries again himself if he wants to.
  createRetry: false,
  // Node's own agent has no limit at all. This is one against running away, not one for pacing.
  max: 100,
  maxCreating: Infinity,
} as const;

/** Checks the options of an agent. Throws {@link InvalidOptionError}. */
export function agentSettings(protocol: 'http' | 'https', options: HttpAgentOptions | HttpsAgentOptions = {}): AgentSettings {
  const name = nameIn(options, protocol);
  const connectKeys: readonly string[] = protocol === 'https' ? [...SOCKET_KEYS, ...TLS_KEYS, 'maxCachedSessions'] : SOCKET_KEYS;
  checkKeys('', options, [...POOL_KEYS, ...connectKeys, ...OWN_KEYS], name, ELSEWHERE);
  const { pool, factory } = sortOptions(options, POOL_KEYS, connectKeys);
  const { retry = true, timeout } = options;
  if (typeof retry !== 'boolean') throw invalid('retry', 'must be true or false', name);
  if (timeout !== undefined && !(Number.isFinite(timeout) && timeout >= 0)) {
    throw invalid('timeout', 'must be a number of milliseconds, or 0 for none', name);
  }
  return {
    name,
    pools: { name, ...DEFAULTS, ...presetPerKey(options, name), ...pool },
    connect: factory,
    keepAliveTimeoutMs: duration('keepAliveTimeoutMs', options.keepAliveTimeoutMs, 4_000, name),
    keepAliveMarginMs: duration('keepAliveMarginMs', options.keepAliveMarginMs, 1_000, name),
    retry,
    acquireTimeoutMs: options.acquireTimeoutMs ?? 5_000,
  };
}

function duration(key: string, value: number | undefined, otherwise: number, name: string): number {
  if (value === undefined) return otherwise;
  if (typeof value !== 'number' || !(value >= 0)) throw invalid(key, 'must be a number of milliseconds of at least 0, or Infinity', name);
  return value;
}
