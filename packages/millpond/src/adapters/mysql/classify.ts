// May a failed connect be tried again? Permanent is what no waiting mends and what retrying makes worse: a wrong password, tried often
// enough, locks the account or the host.

import { isPermanentCode } from '../common/network.ts';

/** Errors of ours that need no look at their code: options that mysql2 could not make a connection of. */
const permanents = new WeakSet();

/** Marks an error as one that comes again each time. */
export function permanent<E extends Error>(error: E): E {
  permanents.add(error);
  return error;
}

/**
 * Numbers of the server's errors that come again: credentials and rights (1044, 1045, 1142, 1143, 1227, 1410, 1698, 1820, 1862, 3118, 3159,
 * 4151), no such database (1049), a host that is blocked or not allowed (1129, 1130), a way to authenticate that one side lacks (1251,
 * 1524, 2059, 2061), wrong statements of `onConnect` (1064, 1193, 1231).
 */
const PERMANENT_ERRNOS = new Set([
  1044, 1045, 1049, 1064, 1129, 1130, 1142, 1143, 1193, 1227, 1231, 1251, 1410, 1524, 1698, 1820, 1862, 2059, 2061, 3118, 3159, 4151,
]);

/** Codes of mysql2. */
const PERMANENT_CODES = new Set(['HANDSHAKE_NO_SSL_SUPPORT', 'AUTH_SWITCH_PLUGIN_ERROR']);

/** mysql2 gives every error of TLS this code, also when the connection was only cut. Then the message has Node's own. */
const TLS_FAILED = 'HANDSHAKE_SSL_ERROR';
const CUT = /ECONNRESET|EPIPE|ETIMEDOUT|socket disconnected|socket hang up/;

/**
 * `'permanent'`: authentication, no such database, missing rights, blocked hosts, bad certificates, bad options. `'transient'`: everything
 * else, such as a server that is down, starting, full (1040, 1203, 1226) or out of reach, and a name that does not resolve (yet).
 */
export function classify(error: unknown): 'transient' | 'permanent' {
  if (!(error instanceof Error)) return 'transient';
  if (permanents.has(error)) return 'permanent';
  if (error instanceof AggregateError && error.errors.length > 0) {
    // Several addresses were tried.
    return error.errors.every((each) => classify(each) === 'permanent') ? 'permanent' : 'transient';
  }
  const { code, errno } = error as { readonly code?: unknown; readonly errno?: unknown };
  // Those of the operating system are negative.
  if (typeof errno === 'number' && errno > 0) return PERMANENT_ERRNOS.has(errno) ? 'permanent' : 'transient';
  if (code === TLS_FAILED) return CUT.test(error.message) ? 'transient' : 'permanent';
  return typeof code === 'string' && (PERMANENT_CODES.has(code) || isPermanentCode(code)) ? 'permanent' : 'transient';
}
