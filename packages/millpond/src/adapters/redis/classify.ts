// May a failed connect be tried again? Permanent is what no waiting mends: wrong credentials, missing rights, a bad certificate, options
// that make no sense.

import { isPermanentCode } from '../common/network.ts';

const PERMANENT_REPLIES = /^(?:NOAUTH|WRONGPASS|NOPERM|NOPROTO)\b|^ERR (?:AUTH|invalid password|unknown command|DB index|invalid DB)/i;

/** Errors of ours that come again each time. */
const permanents = new WeakSet();

export function permanent<E extends Error>(error: E): E {
  permanents.add(error);
  return error;
}

/**
 * `'permanent'`: NOAUTH, WRONGPASS, NOPERM, a database that does not exist, bad certificates, bad options. `'transient'`: everything else,
 * such as a server that is down, out of reach, full (`max number of clients reached`), LOADING, or a replica without its master
 * (MASTERDOWN), and a name that does not resolve (yet).
 */
export function classify(error: unknown): 'transient' | 'permanent' {
  if (!(error instanceof Error)) return 'transient';
  if (permanents.has(error)) return 'permanent';
  if (error instanceof AggregateError && error.errors.length > 0) {
    // Several addresses were tried.
    return error.errors.every((each) => classify(each) === 'permanent') ? 'permanent' : 'transient';
  }
  const code = (error as { readonly code?: unknown }).code;
  if (typeof code === 'string' && isPermanentCode(code)) return 'permanent';
  return PERMANENT_REPLIES.test(error.message) ? 'permanent' : 'transient';
}
