// May a failed connect be tried again? A bad certificate and a wrong option stay what they are; everything else may pass: a server that is
// down or starting, a network out of reach, a name that does not resolve (yet).

import { isPermanentCode } from '../common/network.ts';

export function classify(error: unknown): 'transient' | 'permanent' {
  if (error instanceof AggregateError && error.errors.length > 0) {
    // Several addresses were tried.
    return error.errors.every((each) => classify(each) === 'permanent') ? 'permanent' : 'transient';
  }
  const code = (error as { readonly code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && isPermanentCode(code) ? 'permanent' : 'transient';
}
