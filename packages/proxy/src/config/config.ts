// What a configuration says, once read: the settings, the databases, users and peers. Reading never ends the process; everything that is
// wrong is told with its place, and who asked decides what to do about it.

import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import type { Connect } from '../server/streams.ts';
import { addressesOf } from './addresses.ts';
import { defaults, isSetting, parseValue, SETTINGS, type Kind, type Values } from './settings.ts';
import { sharingProblem } from './sharing.ts';
import { readIni, readPairs, type Entry, type Ini, type Problem } from './ini.ts';

export type PoolMode = Values['pool_mode'];

/** An entry of `[databases]`. What it does not say is as in `[pgbouncer]`. */
export interface DatabaseConfig {
  readonly name: string;
  /** At the server; the name that the client asked for if there is none. */
  readonly dbname?: string;
  /** Names, addresses or folders of Unix sockets, at least one. */
  readonly hosts: readonly string[];
  /** Opens a connection in the place of them all: to a database in this process. Not of a file. */
  readonly connect?: Connect;
  readonly port: number;
  /** Whoever the client is, this is who logs in at the server. */
  readonly user?: string;
  readonly password?: string;
  readonly authUser?: string;
  readonly authQuery?: string;
  readonly authDbname?: string;
  readonly poolMode?: PoolMode;
  readonly poolSize?: number;
  readonly minPoolSize?: number;
  readonly reservePoolSize?: number;
  readonly maxDbConnections?: number;
  readonly maxDbClientConnections?: number;
  readonly serverLifetimeMs?: number;
  readonly connectQuery?: string;
  readonly loadBalanceHosts: 'round-robin' | 'disable';
  readonly tlsSslMode?: Values['server_tls_sslmode'];
  readonly tlsCaFile?: string;
  readonly tlsCertFile?: string;
  readonly tlsKeyFile?: string;
  readonly tlsProtocols?: string;
  readonly tlsCiphers?: string;
  /** Parameters that every server connection begins with. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** An entry of `[users]`. */
export interface UserConfig {
  readonly name: string;
  readonly poolMode?: PoolMode;
  readonly poolSize?: number;
  readonly reservePoolSize?: number;
  readonly maxUserConnections?: number;
  readonly maxUserClientConnections?: number;
  readonly queryTimeoutMs?: number;
  readonly idleTransactionTimeoutMs?: number;
  readonly transactionTimeoutMs?: number;
  readonly clientIdleTimeoutMs?: number;
}

/** An entry of `[peers]`: another proxy behind the same address, which gets the cancels of its clients. */
export interface PeerConfig {
  /** A name, an address or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
}

export interface Config {
  readonly values: Values;
  /** `*` stands for every name that is not there. */
  readonly databases: ReadonlyMap<string, DatabaseConfig>;
  readonly users: ReadonlyMap<string, UserConfig>;
  /** By peer_id. */
  readonly peers: ReadonlyMap<number, PeerConfig>;
  /** What cannot be: the configuration must not be used. */
  readonly problems: readonly Problem[];
  /** What can be and is not done. */
  readonly warnings: readonly Problem[];
}

interface Known {
  readonly field: string;
  readonly kind: Kind;
  /** Without: as the setting of the same name. */
  readonly doc?: string;
}

/** As much as two bytes of a cancel key can say. */
const MAX_PEER = 65_535;
const POOL_MODE = SETTINGS.pool_mode.kind;

export const OF_DATABASES: Readonly<Record<string, Known>> = {
  dbname: { field: 'dbname', kind: 'text', doc: 'Its name at the server; by default the one that the client asked for.' },
  host: {
    field: 'hosts', kind: 'list',
    doc: 'Names, addresses, or folders of Unix sockets (they begin with /), separated by commas. By default the Unix socket in /tmp.',
  },
  port: { field: 'port', kind: 'int', doc: 'Of the server.' },
  user: { field: 'user', kind: 'text', doc: 'Whoever the client is, this is who logs in at the server; all clients share one pool then.' },
  password: { field: 'password', kind: 'text', doc: 'Of `user`; by default what auth_file has.' },
  auth_user: { field: 'authUser', kind: 'text' },
  auth_query: { field: 'authQuery', kind: 'text' },
  auth_dbname: { field: 'authDbname', kind: 'text' },
  pool_mode: { field: 'poolMode', kind: POOL_MODE },
  pool_size: { field: 'poolSize', kind: 'int', doc: 'default_pool_size of this database.' },
  min_pool_size: { field: 'minPoolSize', kind: 'int' },
  reserve_pool: { field: 'reservePoolSize', kind: 'int', doc: 'An older name of reserve_pool_size.' },
  reserve_pool_size: { field: 'reservePoolSize', kind: 'int' },
  max_db_connections: { field: 'maxDbConnections', kind: 'int' },
  max_db_client_connections: { field: 'maxDbClientConnections', kind: 'int' },
  server_lifetime: { field: 'serverLifetimeMs', kind: 'seconds' },
  connect_query: { field: 'connectQuery', kind: 'text', doc: 'Sent over every new server connection before a client gets it.' },
  server_tls_sslmode: { field: 'tlsSslMode', kind: SETTINGS.server_tls_sslmode.kind },
  server_tls_ca_file: { field: 'tlsCaFile', kind: 'text' },
  server_tls_cert_file: { field: 'tlsCertFile', kind: 'text' },
  server_tls_key_file: { field: 'tlsKeyFile', kind: 'text' },
  server_tls_protocols: { field: 'tlsProtocols', kind: 'text' },
  server_tls_ciphers: { field: 'tlsCiphers', kind: 'text' },
  load_balance_hosts: {
    field: 'loadBalanceHosts', kind: { oneOf: ['round-robin', 'disable'] },
    doc: 'With several hosts: take turns, or stay with one until it fails.',
  },
};

/** Keys of a database that every server connection begins with, by the parameter's name. */
export const PARAMETERS: Readonly<Record<string, string>> = {
  client_encoding: 'client_encoding', datestyle: 'datestyle', timezone: 'timezone', application_name: 'application_name',
};

export const OF_USERS: Readonly<Record<string, Known>> = {
  pool_mode: { field: 'poolMode', kind: POOL_MODE },
  pool_size: { field: 'poolSize', kind: 'int', doc: 'default_pool_size of this user.' },
  reserve_pool_size: { field: 'reservePoolSize', kind: 'int' },
  max_user_connections: { field: 'maxUserConnections', kind: 'int' },
  max_user_client_connections: { field: 'maxUserClientConnections', kind: 'int' },
  query_timeout: { field: 'queryTimeoutMs', kind: 'seconds' },
  idle_transaction_timeout: { field: 'idleTransactionTimeoutMs', kind: 'seconds' },
  transaction_timeout: { field: 'transactionTimeoutMs', kind: 'seconds' },
  client_idle_timeout: { field: 'clientIdleTimeoutMs', kind: 'seconds' },
};

export const OF_PEERS: Readonly<Record<string, Known>> = {
  host: { field: 'host', kind: 'text', doc: 'A name, an address, or the folder of a Unix socket.' },
  port: { field: 'port', kind: 'int', doc: 'By default 6432.' },
  pool_size: { field: 'poolSize', kind: 'int', doc: 'Accepted; cancels wait for nothing.' },
};

/** What the name of a setting means that is not done here, and what to do instead. */
const NOT_DONE: Readonly<Record<string, string>> = {
  auth_ldap_options: 'LDAP is not supported: use auth_type scram-sha-256, or auth_query',
  dns_zone_check_period: 'zones are not watched: dns_max_ttl says how soon another address is used',
  resolv_conf: 'names are resolved as the system is told to',
  unix_socket_group: 'the socket has the group that the process has',
  syslog: 'there is no syslog in Node: log to the terminal and let the service manager keep it',
};

const NOT_A_METHOD: Readonly<Record<string, string>> = {
  pam: 'PAM is not supported: Node cannot ask it. Use scram-sha-256 or auth_query',
  ldap: 'LDAP is not supported. Use scram-sha-256 or auth_query',
  peer: 'Node cannot tell who is at the other end of a Unix socket. Use scram-sha-256, or cert',
};

/** Reads a file and what it includes; `base` gives the settings that the file does not mention, the defaults for a start. */
export function loadConfig(file: string, base: Values = defaults()): Config {
  const read = (path: string): string => readFileSync(isAbsolute(path) ? path : resolve(dirname(file), path), 'utf8');
  return interpret(readIni(file, (path) => (path === file ? readFileSync(file, 'utf8') : read(path))), { ...base, conffile: file });
}

/** What the entries mean, the later of two with the same name being the one that counts. */
export function interpret(ini: Ini, base: Values = defaults()): Config {
  const problems: Problem[] = [...ini.problems];
  const warnings: Problem[] = [];
  const values: Record<string, unknown> = { ...base };
  const databases = new Map<string, DatabaseConfig>();
  const users = new Map<string, UserConfig>();
  const peers = new Map<number, PeerConfig>();
  for (const entry of ini.entries) {
    const wrong = (message: string): void => void problems.push({ file: entry.file, line: entry.line, message });
    const odd = (message: string): void => void warnings.push({ file: entry.file, line: entry.line, message });
    switch (entry.section) {
      case 'pgbouncer': setValue(entry, values, wrong, odd); break;
      case 'databases': {
        const database = databaseOf(entry, wrong);
        if (database !== undefined) databases.set(entry.key, database);
        break;
      }
      case 'users': {
        const fields = fieldsOf(entry, OF_USERS, wrong, 'unrecognized user parameter');
        if (fields !== undefined) users.set(entry.key, { name: entry.key, ...fields.known });
        break;
      }
      case 'peers': {
        const fields = fieldsOf(entry, OF_PEERS, wrong, 'unrecognized connection parameter');
        const id = Number(entry.key);
        if (!Number.isInteger(id) || id < 1 || id > MAX_PEER) wrong(`invalid peer id: ${entry.key}`);
        else if (fields !== undefined) peers.set(id, { host: '/tmp', port: 6432, ...fields.known });
        break;
      }
      default: wrong(`unknown section: ${entry.section}`);
    }
  }
  if (databases.has('pgbouncer')) {
    problems.push({ ...placeOf(ini.entries, 'pgbouncer'), message: 'database name "pgbouncer" is reserved for admin console' });
  }
  if (values['auth_dbname'] === 'pgbouncer' && base.auth_dbname !== 'pgbouncer') {
    // Whoever needs it is told when it comes to that; the rest is as good as before.
    warnings.push({ ...placeOf(ini.entries, 'auth_dbname'), message: 'cannot use the reserved "pgbouncer" database as an auth_dbname' });
  }
  const sharing = sharingProblem(values as unknown as Values, process);
  if (sharing !== undefined) problems.push({ ...placeOf(ini.entries, sharing.key), message: sharing.message });
  for (const balancer of values['proxy_protocol_from'] as readonly string[]) {
    const range = addressesOf(balancer);
    if (typeof range === 'string') problems.push({ ...placeOf(ini.entries, 'proxy_protocol_from'), message: range });
  }
  return { values: values as unknown as Values, databases, users, peers, problems, warnings };
}

function placeOf(entries: readonly Entry[], key: string): { file: string; line: number } {
  const { file, line } = entries.find((entry) => entry.key === key)!;
  return { file, line };
}

function setValue(entry: Entry, values: Record<string, unknown>, wrong: (message: string) => void, odd: (message: string) => void): void {
  const { key, value } = entry;
  if (!isSetting(key)) {
    wrong(`unknown parameter: pgbouncer/${key}`);
    return;
  }
  const parsed = parseValue(SETTINGS[key].kind, value);
  if (parsed === undefined) {
    const why = key === 'auth_type' ? NOT_A_METHOD[value] : undefined;
    const said = `invalid value "${value}" for parameter ${key} in configuration (${entry.file}:${entry.line})`;
    wrong(why === undefined ? said : `${said}: ${why}`);
    return;
  }
  const notDone = NOT_DONE[key];
  if (notDone !== undefined && value !== '' && value !== '0') odd(`${key} does nothing here: ${notDone}`);
  values[key] = parsed;
}

function databaseOf(entry: Entry, wrong: (message: string) => void): DatabaseConfig | undefined {
  const fields = fieldsOf(entry, OF_DATABASES, wrong, 'unrecognized connection parameter');
  if (fields === undefined) return undefined;
  const parameters = new Map<string, string>();
  for (const [key, value] of fields.rest) parameters.set(PARAMETERS[key]!, value);
  const { hosts = [], ...known } = fields.known as { hosts?: readonly string[] };
  return {
    name: entry.key, port: 5432, loadBalanceHosts: 'round-robin', parameters, ...known,
    // Without a host: the Unix socket of a server on this machine.
    hosts: hosts.length > 0 ? hosts : ['/tmp'],
  };
}

/** The fields of a `key=value ...` line; `rest`: keys that become parameters. Undefined if something is wrong, which was told. */
function fieldsOf(entry: Entry, table: Readonly<Record<string, Known>>, wrong: (message: string) => void, unknown: string): {
  readonly known: Record<string, unknown>; readonly rest: readonly (readonly [string, string])[];
} | undefined {
  const pairs = readPairs(entry.value);
  if (pairs === undefined) {
    wrong(`syntax error in connection string: ${entry.key}`);
    return undefined;
  }
  const known: Record<string, unknown> = {};
  const rest: (readonly [string, string])[] = [];
  for (const [key, value] of pairs) {
    if (table === OF_DATABASES && Object.hasOwn(PARAMETERS, key)) {
      rest.push([key, value]);
      continue;
    }
    const { field, kind } = Object.hasOwn(table, key) ? table[key]! : { field: '', kind: 'text' as const };
    const parsed = parseValue(kind, value);
    if (field === '') wrong(`${unknown}: ${key}`);
    else if (parsed === undefined) wrong(`invalid value "${value}" for ${key} of ${entry.key}`);
    else known[field] = parsed;
    if (field === '' || parsed === undefined) return undefined;
  }
  return { known, rest };
}
