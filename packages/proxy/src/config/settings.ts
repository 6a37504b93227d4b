// All settings of `[pgbouncer]` in one table: name, kind, default, whether a reload changes it, what it means. The loader, SHOW CONFIG,
// SET, `--check` and the documentation read it here. Names and defaults are PgBouncer's.

export type Kind = 'text' | 'list' | 'int' | 'octal' | 'flag' | 'seconds' | { readonly oneOf: readonly string[] };

export interface Setting {
  readonly kind: Kind;
  /** As it would be written in the file. */
  readonly default: string;
  /** False: only read at start. */
  readonly reload?: false;
  /** Not PgBouncer's. */
  readonly own?: true;
  readonly doc: string;
}

const table = {
  admin_users: { kind: 'list', default: '', doc: 'Who may do everything in the console: names, separated by commas.' },
  application_name_add_host: { kind: 'flag', default: '0', doc: 'Adds the client\'s address to the application_name at the server.' },
  auth_dbname: { kind: 'text', default: '', doc: 'The database in which auth_query runs; the one that the client asked for if empty.' },
  auth_file: { kind: 'text', default: '', doc: 'Users and their secrets, a line each: "name" "secret".' },
  auth_hba_file: { kind: 'text', default: '', doc: 'Who may connect from where and how, for auth_type = hba.' },
  auth_ident_file: { kind: 'text', default: '', doc: 'Maps names of certificates to users.' },
  auth_ldap_options: { kind: 'text', default: '', doc: 'Not supported.' },
  auth_query: {
    kind: 'text',
    default: 'SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END '
      + 'FROM pg_authid WHERE rolname=$1 AND rolcanlogin',
    doc: 'Asks the server for the secret of a user who is not in auth_file.',
  },
  auth_type: {
    kind: { oneOf: ['any', 'trust', 'plain', 'md5', 'cert', 'hba', 'scram-sha-256'] }, default: 'md5',
    doc: 'How clients prove who they are.',
  },
  auth_user: { kind: 'text', default: '', doc: 'The user as whom auth_query runs.' },
  autodb_idle_timeout: {
    kind: 'seconds', default: '3600',
    doc: 'Databases that came by the `*` entry are forgotten when unused for as long.',
  },
  cancel_wait_timeout: { kind: 'seconds', default: '10', doc: 'How long a cancel may wait for a connection to the server.' },
  client_idle_timeout: { kind: 'seconds', default: '0', doc: 'Clients that have been silent for longer are disconnected; 0: never.' },
  client_login_timeout: { kind: 'seconds', default: '60', doc: 'Clients that have not logged in by then are disconnected.' },
  client_tls13_ciphers: { kind: 'text', default: '', doc: 'Cipher suites of TLS 1.3 towards clients.' },
  client_tls_ca_file: { kind: 'text', default: '', doc: 'Certificates that clients\' certificates are checked against.' },
  client_tls_cert_file: { kind: 'text', default: '', doc: 'The certificate that clients see.' },
  client_tls_ciphers: { kind: 'text', default: 'default', doc: 'Ciphers towards clients, up to TLS 1.2.' },
  client_tls_dheparams: { kind: 'text', default: 'auto', doc: 'Diffie-Hellman parameters towards clients.' },
  client_tls_ecdhcurve: { kind: 'text', default: 'auto', doc: 'Curve towards clients.' },
  client_tls_key_file: { kind: 'text', default: '', doc: 'The private key of client_tls_cert_file.' },
  client_tls_protocols: {
    kind: 'text', default: 'secure',
    doc: 'Versions of TLS towards clients: secure, all, or a list of tlsv1.2, tlsv1.3.',
  },
  client_tls_sslmode: {
    kind: { oneOf: ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] }, default: 'disable',
    doc: 'Whether clients may or must use TLS.',
  },
  conffile: { kind: 'text', default: '', doc: 'The file that this is read from.' },
  default_pool_size: { kind: 'int', default: '20', doc: 'Server connections per pair of database and user.' },
  disable_pqexec: { kind: 'flag', default: '0', reload: false, doc: 'Refuses simple queries, which can hold several statements.' },
  dns_max_ttl: { kind: 'seconds', default: '15', doc: 'How long a host\'s addresses are kept.' },
  dns_nxdomain_ttl: { kind: 'seconds', default: '15', doc: 'How long it is kept that a host has none.' },
  dns_zone_check_period: { kind: 'seconds', default: '0', doc: 'Not supported.' },
  hooks: {
    kind: 'text', default: '', reload: false, own: true,
    doc: 'A JavaScript module that exports authenticate, route or observe, and so decides who gets in and where, or looks on.',
  },
  http_addr: {
    kind: 'text', default: '127.0.0.1', reload: false, own: true,
    doc: 'Address of /metrics, /healthz and /readyz. They tell names of databases and users to whoever asks.',
  },
  http_port: { kind: 'int', default: '0', reload: false, own: true, doc: 'Port of /metrics, /healthz and /readyz; 0: none.' },
  idle_transaction_timeout: {
    kind: 'seconds', default: '0',
    doc: 'Clients that are idle inside of a transaction for longer are disconnected; 0: never.',
  },
  ignore_startup_parameters: { kind: 'list', default: '', doc: 'Parameters of clients that are accepted and not looked at.' },
  job_name: { kind: 'text', default: 'pgbouncer', reload: false, doc: 'Names the process.' },
  listen_addr: { kind: 'list', default: '', reload: false, doc: 'Addresses to listen at; * for all; empty: only the Unix socket.' },
  listen_backlog: { kind: 'int', default: '128', reload: false, doc: 'Length of the queue of connects.' },
  listen_port: { kind: 'int', default: '6432', reload: false, doc: 'Port to listen at, and part of the Unix socket\'s name.' },
  log_connections: { kind: 'flag', default: '1', doc: 'Logs clients that come.' },
  log_disconnections: { kind: 'flag', default: '1', doc: 'Logs clients that go, and why.' },
  log_format: {
    kind: { oneOf: ['text', 'json'] }, default: 'text', own: true, doc: 'Lines as PgBouncer writes them, or an object of JSON each.',
  },
  log_pooler_errors: { kind: 'flag', default: '1', doc: 'Logs errors that are sent to clients.' },
  log_stats: { kind: 'flag', default: '1', doc: 'Logs figures every stats_period.' },
  logfile: { kind: 'text', default: '', doc: 'File to log to, besides the terminal.' },
  max_client_conn: { kind: 'int', default: '100', doc: 'Clients that may be connected.' },
  max_db_client_connections: { kind: 'int', default: '0', doc: 'Clients per database; 0: no limit.' },
  max_db_connections: { kind: 'int', default: '0', doc: 'Server connections per database, whoever the user; 0: no limit.' },
  max_packet_size: { kind: 'int', default: '2147483647', doc: 'The longest message, in bytes.' },
  max_prepared_statements: {
    kind: 'int', default: '200',
    doc: 'Prepared statements kept per server connection; 0: clients\' own names go through.',
  },
  max_user_client_connections: { kind: 'int', default: '0', doc: 'Clients per user; 0: no limit.' },
  max_user_connections: { kind: 'int', default: '0', doc: 'Server connections per user, whatever the database; 0: no limit.' },
  max_waiting_clients: {
    kind: 'int', default: '0', own: true,
    doc: 'Clients of a pool that may wait for a server connection; who comes when there are as many is disconnected at once. 0: no limit.',
  },
  min_pool_size: { kind: 'int', default: '0', doc: 'Server connections that are kept per pool while somebody uses it.' },
  peer_id: { kind: 'int', default: '0', doc: 'Which of several peers this is.' },
  pidfile: { kind: 'text', default: '', reload: false, doc: 'File that gets the number of the process.' },
  pkt_buf: { kind: 'int', default: '4096', reload: false, doc: 'Accepted; buffers are Node\'s.' },
  pool_mode: {
    kind: { oneOf: ['session', 'transaction', 'statement'] }, default: 'session',
    doc: 'When a server connection goes back to its pool.',
  },
  proxy_protocol: {
    kind: 'flag', default: '0', own: true,
    doc: 'Connections from proxy_protocol_from begin with a header of the PROXY protocol, which says where the client comes from.',
  },
  proxy_protocol_from: {
    kind: 'list', default: '127.0.0.1, ::1', own: true,
    doc: 'Addresses of load balancers, or ranges of them. From others a connection begins with the client, and counts as what it is.',
  },
  query_timeout: {
    kind: 'seconds', default: '0',
    doc: 'Statements that take longer are given up, and their connections with them; 0: never.',
  },
  query_wait_notify: { kind: 'seconds', default: '5', doc: 'Clients that wait for a server connection for longer are told; 0: never.' },
  query_wait_timeout: {
    kind: 'seconds', default: '120',
    doc: 'Clients that wait for a server connection for longer are disconnected; 0: never.',
  },
  reserve_pool_size: { kind: 'int', default: '0', doc: 'Further server connections per pool when somebody waits for long.' },
  reserve_pool_timeout: { kind: 'seconds', default: '5', doc: 'How long that is.' },
  resolv_conf: { kind: 'text', default: '', reload: false, doc: 'Accepted; names are resolved by the system.' },
  sbuf_loopcnt: { kind: 'int', default: '5', doc: 'Accepted; Node shares its loop by itself.' },
  scram_iterations: { kind: 'int', default: '4096', doc: 'Rounds of secrets that are made here.' },
  server_check_delay: {
    kind: 'seconds', default: '30',
    doc: 'Server connections that have been idle for longer are checked before they are used.',
  },
  server_check_query: { kind: 'text', default: '<empty>', doc: 'What that check is; <empty>: an empty query.' },
  server_connect_timeout: { kind: 'seconds', default: '15', doc: 'How long connecting and logging in to a server may take.' },
  server_fast_close: {
    kind: 'flag', default: '0',
    doc: 'Closes outdated server connections in session mode as soon as they are outside of a transaction.',
  },
  server_idle_timeout: { kind: 'seconds', default: '600', doc: 'Server connections that have been idle for longer are closed; 0: never.' },
  server_lifetime: { kind: 'seconds', default: '3600', doc: 'Server connections that are older are closed when unused; 0: after one use.' },
  server_login_retry: {
    kind: 'seconds', default: '15',
    doc: 'How long after failed logins it is tried again at the latest; changed, it counts for new pools.',
  },
  server_reset_query: { kind: 'text', default: 'DISCARD ALL', doc: 'What cleans a server connection when its client has gone.' },
  server_reset_query_always: { kind: 'flag', default: '0', doc: 'Cleans in every mode, not only in session mode.' },
  server_round_robin: {
    kind: 'flag', default: '0',
    doc: 'Takes the server connection that has been idle for longest, not for shortest; changed, it counts for new pools.',
  },
  server_tls13_ciphers: { kind: 'text', default: '', doc: 'Cipher suites of TLS 1.3 towards servers.' },
  server_tls_ca_file: { kind: 'text', default: '', doc: 'Certificates that servers\' certificates are checked against.' },
  server_tls_cert_file: { kind: 'text', default: '', doc: 'The certificate shown to servers.' },
  server_tls_ciphers: { kind: 'text', default: 'default', doc: 'Ciphers towards servers, up to TLS 1.2.' },
  server_tls_key_file: { kind: 'text', default: '', doc: 'The private key of server_tls_cert_file.' },
  server_tls_protocols: { kind: 'text', default: 'secure', doc: 'Versions of TLS towards servers.' },
  server_tls_sslmode: {
    kind: { oneOf: ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] }, default: 'prefer',
    doc: 'Whether servers may or must use TLS, and how they are checked.',
  },
  session_features: {
    kind: { oneOf: ['warn', 'pin'] }, default: 'warn', own: true,
    doc: 'A client that does what lasts longer than its transaction (LISTEN, PREPARE, SET of what is not tracked, advisory locks, '
      + 'temporary tables, cursors WITH HOLD) in transaction or statement mode: the log says so, or it keeps its server connection until '
      + 'it goes, which is cleaned then. Of SET inside of a transaction nobody knows whether it is SET LOCAL: it is cleaned, and not kept.',
  },
  so_reuseport: {
    kind: 'flag', default: '0', reload: false, doc: 'Lets several proxies listen at one port. Needs Node 22.12.',
  },
  stats_period: { kind: 'seconds', default: '60', doc: 'How often averages are taken and logged.' },
  stats_users: { kind: 'list', default: '', doc: 'Who may look at the console and change nothing.' },
  suspend_timeout: { kind: 'seconds', default: '10', doc: 'How long SUSPEND waits for buffers to be empty.' },
  syslog: { kind: 'flag', default: '0', doc: 'Not supported.' },
  syslog_facility: { kind: 'text', default: 'daemon', doc: 'Not supported.' },
  syslog_ident: { kind: 'text', default: 'pgbouncer', doc: 'Not supported.' },
  tcp_defer_accept: { kind: 'int', default: '1', doc: 'Accepted; not known to Node.' },
  tcp_keepalive: { kind: 'flag', default: '1', doc: 'Has the system look after silent connections.' },
  tcp_keepcnt: { kind: 'int', default: '0', doc: 'Accepted; not known to Node.' },
  tcp_keepidle: { kind: 'int', default: '0', doc: 'Accepted; the time is the system\'s.' },
  tcp_keepintvl: { kind: 'int', default: '0', doc: 'Accepted; not known to Node.' },
  tcp_socket_buffer: { kind: 'int', default: '0', doc: 'Accepted; not known to Node.' },
  tcp_user_timeout: { kind: 'int', default: '0', doc: 'Accepted; not known to Node.' },
  track_extra_parameters: {
    kind: 'list', default: 'IntervalStyle', reload: false,
    doc: 'Parameters that follow the client, besides those that every server reports: client_encoding, DateStyle, TimeZone, ...',
  },
  transaction_timeout: {
    kind: 'seconds', default: '0',
    doc: 'Clients that are inside of a transaction for longer are disconnected; 0: never.',
  },
  unix_socket_dir: { kind: 'text', default: '/tmp', reload: false, doc: 'Folder of the Unix socket; empty: none.' },
  unix_socket_group: { kind: 'text', default: '', reload: false, doc: 'Not supported.' },
  unix_socket_mode: { kind: 'octal', default: '0777', reload: false, doc: 'Permissions of the Unix socket.' },
  user: { kind: 'text', default: '', reload: false, doc: 'User to become after start, if started as root.' },
  verbose: { kind: 'int', default: '0', doc: 'How much to log: 0 to 3.' },
  workers: {
    kind: 'int', default: '1', reload: false, own: true,
    doc: 'Processes that listen at one port and are one proxy: limits, statistics, the console and cancels are of all of them. '
      + 'More than 1 needs Node 22.12.',
  },
} as const satisfies Readonly<Record<string, Setting>>;

export type SettingName = keyof typeof table;

export const SETTINGS: Readonly<Record<SettingName, Setting>> = table;

/** In alphabetical order, as SHOW CONFIG lists them. */
export const SETTING_NAMES: readonly SettingName[] = Object.keys(table) as SettingName[];

type ValueOf<K> = K extends 'list' ? readonly string[]
  : K extends 'int' | 'octal' | 'seconds' ? number
  : K extends 'flag' ? boolean
  : K extends { readonly oneOf: readonly (infer Word)[] } ? Word
  : string;

/** What the settings are set to; times in milliseconds. */
export type Values = { readonly [Name in SettingName]: ValueOf<(typeof table)[Name]['kind']> };

export function isSetting(name: string): name is SettingName {
  return Object.hasOwn(table, name);
}

/** A value as it is written in a file, or undefined if it is none of this kind. */
export function parseValue(kind: Kind, text: string): unknown {
  if (typeof kind === 'object') return kind.oneOf.includes(text) ? text : undefined;
  switch (kind) {
    case 'text': return text;
    case 'list': return text.split(',').map((item) => item.trim()).filter((item) => item !== '');
    case 'int': return /^-?\d{1,10}$/.test(text) ? Number(text) : undefined;
    case 'octal': return /^[0-7]{1,5}$/.test(text) ? Number.parseInt(text, 8) : undefined;
    case 'flag': return /^-?\d{1,10}$/.test(text) ? Number(text) !== 0 : undefined;
    case 'seconds': return /^\d{1,10}(?:\.\d*)?$/.test(text) ? Number(text) * 1000 : undefined;
  }
}

/** The same the other way, as SHOW CONFIG shows it. */
export function formatValue(kind: Kind, value: unknown): string {
  if (typeof kind === 'object') return String(value);
  switch (kind) {
    case 'list': return (value as readonly string[]).join(', ');
    case 'octal': return `0${(value as number).toString(8)}`;
    case 'flag': return value === true ? '1' : '0';
    case 'seconds': return String((value as number) / 1000);
    default: return String(value);
  }
}

export function defaults(): Values {
  return Object.fromEntries(SETTING_NAMES.map((name) => [name, parseValue(table[name].kind, table[name].default)])) as unknown as Values;
}
