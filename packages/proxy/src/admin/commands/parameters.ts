// What drivers ask and set when they connect, as they would at a server: the console answers, and remembers nothing.

import { show, type Answer } from '../table.ts';

const PARAMETERS: ReadonlyMap<string, string> = new Map([
  ['client_encoding', 'UTF-8'], ['default_transaction_isolation', 'read committed'], ['standard_conforming_strings', 'on'],
  ['datestyle', 'ISO'], ['timezone', 'GMT'],
]);

/** These are set and never asked for. */
const ONLY_SET: ReadonlySet<string> = new Set([
  'application_name', 'extra_float_digits', 'intervalstyle', 'search_path', 'session_characteristics', 'statement_timeout', 'lock_timeout',
  'idle_in_transaction_session_timeout', 'client_min_messages', 'bytea_output',
]);

/** Undefined: none of these. */
export function showParameter(name: string): Answer | undefined {
  const key = name.toLowerCase();
  const value = PARAMETERS.get(key);
  return value === undefined ? undefined : show(key, [[value]]);
}

export function setParameter(name: string): Answer | undefined {
  const key = name.toLowerCase();
  if (!PARAMETERS.has(key) && !ONLY_SET.has(key)) return undefined;
  return { tag: 'SET', notice: { severity: 'NOTICE', code: '00000', message: 'SET ignored' } };
}
