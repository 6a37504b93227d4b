// May a failed connect be tried again? Permanent is what no waiting mends.

import { AlpnMismatchError } from './errors.ts';
import { isPermanentCode } from '../common/network.ts';

/**
 * `'permanent'`: bad certificates, TLS that the other end does not speak, an ALPN mismatch, options that are wrong, a Unix socket without
 * the right to use it. `'transient'`: everything else: refused, reset, timed out, unreachable, no Unix socket there, no port left on this
 * machine (EADDRNOTAVAIL), and a name that does not resolve, be it for now (EAI_AGAIN) or not at all (ENOTFOUND), for records come and go
 * with what they name.
 */
export function classify(error: unknown): 'transient' | 'permanent' {
  if (!(error instanceof Error)) return 'transient';
  if (error instanceof AggregateError && error.errors.length > 0) {
    // Several addresses were tried.
    return error.errors.every((each) => classify(each) === 'permanent') ? 'permanent' : 'transient';
  }
  if (error instanceof AlpnMismatchError) return 'permanent';
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' && isPermanentCode(code) ? 'permanent' : 'transient';
}
