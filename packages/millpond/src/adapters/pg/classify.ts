// May a failed connect be tried again? Permanent is what no waiting mends and what retrying makes worse: a wrong password, tried often
// enough, locks the account.

import { isPermanentCode } from '../common/network.ts';

/** Errors of ours that need no look at their code: options that node-postgres could not make a connection of. */
const permanents = new WeakSet();

/** Marks an error as one that comes again each time. */
export function permanent<E extends Error>(error: E): E {
  permanents.add(error);
  return error;
}

/** Classes of SQLSTATE (its first two characters): credentials, no such database, wrong options, wrong statement or missing right. */
const PERMANENT_CLASSES = new Set(['28', '3D', '22', '42', '0A']);

/** Errors of node-postgres that have no code. */
const PERMANENT_MESSAGES = /^SASL: |^Password must be a string|does not support SSL|^Unknown authentication/;

/**
 * `'permanent'`: authentication, no such database, missing rights, bad certificates, bad options. `'transient'`: everything else, such as a
 * server that is down, starting, full or out of reach, and a name that does not resolve (yet: records come and go with what they name).
 */
export function classify(error: unknown): 'transient' | 'permanent' {
  if (!(error instanceof Error)) return 'transient';
  if (permanents.has(error)) return 'permanent';
  if (error instanceof AggregateError && error.errors.length > 0) {
    // Several addresses were tried.
    return error.errors.every((each) => classify(each) === 'permanent') ? 'permanent' : 'transient';
  }
  const code = (error as { readonly code?: unknown }).code;
  if (typeof code === 'string') {
    if (/^[0-9A-Z]{5}$/.test(code) && /\d/.test(code)) return PERMANENT_CLASSES.has(code.slice(0, 2)) ? 'permanent' : 'transient';
    if (isPermanentCode(code)) return 'permanent';
  }
  return PERMANENT_MESSAGES.test(error.message) ? 'permanent' : 'transient';
}
