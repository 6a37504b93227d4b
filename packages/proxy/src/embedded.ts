// A proxy inside of somebody's process: for tests, for a development server, or with hooks that need the rest of a program. It is
// configured by an object, by the text or the name of a pgbouncer.ini, or by both, where the object counts.

import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { showPools } from './admin/commands/show-pools.ts';
import { showStats } from './admin/commands/show-stats.ts';
import type { Answer } from './admin/table.ts';
import { interpret, type Config } from './config/config.ts';
import { readIni, type Entry, type Ini } from './config/ini.ts';
import { defaults, type SettingName } from './config/settings.ts';
import type { Hooks } from './hooks.ts';
import { Proxy, type ShutdownWait } from './proxy.ts';
import type { Connect } from './server/streams.ts';
import type { Cell } from './wire/pg/write.ts';

/** As it would be written in the file; numbers of times are seconds, flags may be true and false, lists may be arrays. */
export type SettingValue = string | number | boolean | readonly string[];

/** Keys of a database or a user, such as `{ host: '10.0.0.5', port: 5432, pool_size: 5 }`, or the line itself. */
export type Keys = string | Readonly<Record<string, string | number>>;

/** A database that is reached by a stream of somebody's making, which speaks PostgreSQL's protocol: one in this process, a tunnel. */
export type DatabaseKeys = string | Readonly<Record<string, string | number | Connect>> & { readonly connect?: Connect };

export interface CreateProxyOptions {
  /** The text of a pgbouncer.ini. Files that it names are looked for from the working directory. */
  readonly config?: string;
  /** The name of a pgbouncer.ini; not together with `config`. */
  readonly file?: string;
  /** Entries of `[databases]`; `*` stands for all names that are not there. */
  readonly databases?: Readonly<Record<string, DatabaseKeys>>;
  /** Entries of `[users]`. */
  readonly users?: Readonly<Record<string, Keys>>;
  /**
   * Settings of `[pgbouncer]`. Without `config` and `file` the proxy listens at a free port of 127.0.0.1, and at no Unix socket. How
   * clients prove who they are has no other default than in the file: without `auth_type`, a file of secrets or a hook nobody gets in.
   */
  readonly settings?: Readonly<Partial<Record<SettingName, SettingValue>>>;
  readonly hooks?: Hooks;
  /** Default true: what is logged goes only to `logfile`, if there is one. */
  readonly quiet?: boolean;
}

/** What a reload may replace; what it does not mention stays. */
export type ReloadOptions = Pick<CreateProxyOptions, 'config' | 'databases' | 'users' | 'settings'>;

export type Row = Readonly<Record<string, Cell>>;

export interface EmbeddedProxy extends AsyncDisposable {
  /** Undefined: it listens at no TCP port. */
  readonly port: number | undefined;
  /** Of the Unix socket, if there is one. */
  readonly socketPath: string | undefined;
  /** Everything else, for those who need more. */
  readonly proxy: Proxy;
  /** At once, or as soon as all clients have gone, or all server connections are free. */
  close(options?: { readonly wait?: ShutdownWait }): Promise<void>;
  /** Reads the file again, with other options over it. Throws {@link ConfigError} when something is wrong, and nothing has changed then. */
  reload(changes?: ReloadOptions): void;
  /** The rows of SHOW POOLS and SHOW STATS. */
  stats(): { readonly pools: readonly Row[]; readonly databases: readonly Row[] };
}

/** The configuration cannot be used; the message says why, line by line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Listens, and resolves then. Rejects with {@link ConfigError}, or when an address cannot be had. */
export async function createProxy(options: CreateProxyOptions): Promise<EmbeddedProxy> {
  if (options.config !== undefined && options.file !== undefined) throw new TypeError('give either config or file, not both');
  let current = options;
  const proxy = new Proxy({
    config: checked(current), quiet: options.quiet ?? true, reload: () => read(current),
    ...(options.hooks === undefined ? {} : { hooks: options.hooks }),
  });
  let port: number | undefined;
  try {
    port = await proxy.listen();
  } catch (error) {
    await proxy.close();
    throw error;
  }
  const { unix_socket_dir: folder, listen_port: asked } = proxy.config.values;
  const close = (how?: { readonly wait?: ShutdownWait }): Promise<void> => proxy.close(how);
  return {
    port, proxy, close,
    socketPath: folder === '' ? undefined : `${folder}/.s.PGSQL.${port ?? asked}`,
    reload: (changes = {}) => {
      const next = { ...current, ...changes, settings: { ...current.settings, ...changes.settings } };
      proxy.apply(checked(next));
      current = next;
    },
    stats: () => ({ pools: rowsOf(showPools(proxy)), databases: rowsOf(showStats(proxy)) }),
    [Symbol.asyncDispose]: () => close(),
  };
}

function checked(options: CreateProxyOptions): Config {
  const config = read(options);
  if (config.problems.length > 0) {
    throw new ConfigError(config.problems.map(({ file, line, message }) => `${file}:${line}: ${message}`).join('\n'));
  }
  return config;
}

/** What the file says and what the object says, one behind the other: what comes later counts. */
function read(options: CreateProxyOptions): Config {
  const { config, file, databases = {}, users = {}, settings = {} } = options;
  const ini = iniOf(config, file);
  const entries: Entry[] = [...ini.entries];
  if (config === undefined && file === undefined) {
    entries.push(entryOf('pgbouncer', 'listen_addr', '127.0.0.1'), entryOf('pgbouncer', 'listen_port', '0'));
    entries.push(entryOf('pgbouncer', 'unix_socket_dir', ''));
  }
  for (const [name, keys] of Object.entries(databases)) entries.push(entryOf('databases', name, lineOf(keys)));
  for (const [name, keys] of Object.entries(users)) entries.push(entryOf('users', name, lineOf(keys)));
  for (const [name, value] of Object.entries(settings)) entries.push(entryOf('pgbouncer', name, textOf(value)));
  return connecting(interpret({ entries, problems: ini.problems }, { ...defaults(), conffile: file ?? '' }), databases);
}

/** With what no file can say: how to get to a database. */
function connecting(config: Config, given: Readonly<Record<string, DatabaseKeys>>): Config {
  const databases = new Map(config.databases);
  for (const [name, keys] of Object.entries(given)) {
    const entry = databases.get(name);
    if (typeof keys === 'string' || keys.connect === undefined || entry === undefined) continue;
    // As a Unix socket: there is nothing that TLS would hide.
    databases.set(name, { ...entry, hosts: ['/in-process'], connect: keys.connect });
  }
  return { ...config, databases };
}

function iniOf(config: string | undefined, file: string | undefined): Ini {
  const base = file === undefined ? '.' : dirname(file);
  const open = (path: string): string => readFileSync(isAbsolute(path) ? path : resolve(base, path), 'utf8');
  if (config !== undefined) return readIni('config', (path) => (path === 'config' ? config : open(path)));
  if (file !== undefined) return readIni(file, (path) => (path === file ? readFileSync(file, 'utf8') : open(path)));
  return { entries: [], problems: [] };
}

/** The place of what is wrong is the option that it stands in. */
function entryOf(section: 'databases' | 'users' | 'pgbouncer', key: string, value: string): Entry {
  const file = section === 'pgbouncer' ? 'settings' : section;
  return { file: `${file}.${key}`, line: 1, section, key, value };
}

function lineOf(keys: Keys | DatabaseKeys): string {
  if (typeof keys === 'string') return keys;
  const said = Object.entries(keys).filter(([, value]) => typeof value !== 'function');
  return said.map(([key, value]) => `${key}='${String(value as string | number).replaceAll("'", "''")}'`).join(' ');
}

function textOf(value: SettingValue): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  return Array.isArray(value) ? value.join(', ') : String(value);
}

function rowsOf({ table }: Answer): Row[] {
  const { columns, rows } = table!;
  return rows.map((row) => Object.fromEntries(columns.map(([name], index) => [name, row[index]])));
}
