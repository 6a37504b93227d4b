// Why clients get errors of the proxy's own, as one closed list: counted by message there would be as many lines as there
// are users and databases. Pure.

export type Cause = 'query_wait_timeout' | 'query_timeout' | 'idle_transaction_timeout' | 'transaction_timeout' | 'client_idle_timeout'
  | 'client_login_timeout' | 'authentication' | 'limit' | 'unknown_database' | 'disabled' | 'server_login' | 'server_lost' | 'protocol'
  | 'killed' | 'shutdown' | 'other';

/** By the words that clients are told, which are an interface and stay as they are. The first that fits counts. */
const WORDS: readonly (readonly [RegExp, Cause])[] = [
  [/^query_wait_timeout$/, 'query_wait_timeout'],
  [/^query timeout$/, 'query_timeout'],
  [/^idle transaction timeout$/, 'idle_transaction_timeout'],
  [/^transaction timeout$/, 'transaction_timeout'],
  [/^client_idle_timeout$/, 'client_idle_timeout'],
  [/^client_login_timeout$/, 'client_login_timeout'],
  [/authentication failed|^no such user|^not allowed|^TLS certificate|^SASL|^login rejected|^SSL required/, 'authentication'],
  [/^no more connections allowed|^client connections exceeded|^too many clients/, 'limit'],
  [/^no such database/, 'unknown_database'],
  [/^database .* is disabled|^bouncer config error/, 'disabled'],
  [/^server login (?:has been )?fail/, 'server_login'],
  [/^server conn(?:ection)? crashed|^bad packet from server/, 'server_lost'],
  [/packet|^transaction blocks not allowed|protocol|^unsupported startup parameter/, 'protocol'],
  [/^admin forced disconnect|^database (?:removed|killed)|^kill/, 'killed'],
  [/shutting down|^server_login_retry/, 'shutdown'],
];

export function causeOf(message: string): Cause {
  return WORDS.find(([words]) => words.test(message))?.[1] ?? 'other';
}
