// Who stands between the clients and the server in this chapter, and how each is started: on the same configuration, in a process of its
// own, as somebody would run it.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Certificate } from '../../servers/certificate.ts';
import type { PostgresServer } from '../../servers/postgres.ts';
import { startProgram, type ProgramServer } from '../../servers/program.ts';
import { unprivilegedUser } from '../../servers/unprivileged.ts';

export interface Contender {
  readonly id: string;
  readonly name: string;
  readonly about: string;
  readonly lacks: string;
  readonly ours: boolean;
  /** Something to compare with, no pooler. */
  readonly reference?: boolean;
  /** False: it cannot have named statements in transaction mode. */
  readonly prepares: boolean;
  /** Starts it in front of the server; undefined: clients go to the server itself. */
  readonly start: ((place: Place) => Promise<ProgramServer>) | undefined;
}

export interface Place {
  readonly server: PostgresServer;
  readonly certificate: Certificate;
}

/** Of server connections; clients have as many as there are. */
export const POOL_SIZE = 20;
export const MAX_CLIENTS = 12_000;
/** One of our rows for each. More than one process comes with the setting `workers`, where Node can share a port between them. */
const WORKERS: readonly number[] = canSharePorts(process.versions.node) ? [1, 2] : [1];
/** The first PgBouncer with named statements in transaction mode. */
const PREPARES_FROM = [1, 21] as const;
const CLI = fileURLToPath(new URL('../../../../packages/proxy/dist/cli.js', import.meta.url));
const PLACES = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer', '/opt/homebrew/bin/pgbouncer'];

/** Where PgBouncer is and which; undefined: this machine has none. The variable `PGBOUNCER` names another. */
export function findPgbouncer(): { readonly program: string; readonly version: string } | undefined {
  const program = process.env['PGBOUNCER'] ?? PLACES.find((path) => existsSync(path));
  if (program === undefined) return undefined;
  const { stdout, error } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  if (error !== undefined) return undefined;
  return { program, version: /(\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? 'of an unknown version' };
}

export function contenders(): Contender[] {
  const pgbouncer = findPgbouncer();
  return [
    {
      id: 'direct', name: 'no pooler', about: 'clients connect to the server', lacks: 'a server process for each client', ours: false,
      reference: true, prepares: true, start: undefined,
    },
    ...pgbouncer === undefined ? [] : [pgbouncerOf(pgbouncer.program, pgbouncer.version)],
    ...WORKERS.map((workers) => ours(workers)),
  ];
}

/** For the command line, wherever it runs. */
export const IDS: readonly string[] = ['direct', 'pgbouncer', ...WORKERS.map(idOf)];

function pgbouncerOf(program: string, version: string): Contender {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const prepares = major > PREPARES_FROM[0] || (major === PREPARES_FROM[0] && minor >= PREPARES_FROM[1]);
  return {
    id: 'pgbouncer', name: `PgBouncer ${version}`, about: 'one process of one thread', ours: false, prepares,
    lacks: prepares ? '' : `named statements in transaction mode (they came with ${PREPARES_FROM.join('.')})`,
    start: (place) => startProgram({
      name: 'pgbouncer', user: unprivilegedUser(),
      prepare: ({ folder, port, write }) => ({
        command: program, args: [write('pgbouncer.ini', configuration(place, { folder, port, write }, prepares, []))],
      }),
    }),
  };
}

function ours(workers: number): Contender {
  const more = workers === 1 ? [] : [`workers = ${workers}`];
  return {
    id: idOf(workers), name: workers === 1 ? 'millpond' : `millpond, ${workers} workers`,
    about: `@millpond/proxy on Node ${process.versions.node}`, lacks: '', ours: true, prepares: true,
    start: (place) => startProgram({
      name: 'proxy',
      prepare: ({ folder, port, write }) => ({
        command: process.execPath,
        args: [CLI, write('pgbouncer.ini', configuration(place, { folder, port, write }, true, more))],
      }),
    }),
  };
}

/** Since Node 22.12, and on Linux for sure. */
function canSharePorts(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return process.platform === 'linux' && (major > 22 || (major === 22 && minor >= 12));
}

function idOf(workers: number): string {
  return workers === 1 ? 'millpond' : `millpond-${workers}`;
}

interface Folder {
  readonly folder: string;
  readonly port: number;
  write(file: string, text: string): string;
}

/** Clients need no password, so that what is measured is not cryptography; the pooler has one for the server. */
function configuration(
  { server, certificate }: Place, { folder, port, write }: Folder, prepares: boolean, more: readonly string[],
): string {
  const users = write('users.txt', `"${server.user}" "${server.password}"\n`);
  return `${[
    '[databases]', `bench = host=${server.host} port=${server.port} dbname=${server.database}`,
    '[pgbouncer]', 'listen_addr = 127.0.0.1', `listen_port = ${port}`, 'unix_socket_dir =', 'auth_type = trust', `auth_file = ${users}`,
    'pool_mode = transaction', `default_pool_size = ${POOL_SIZE}`, `max_client_conn = ${MAX_CLIENTS}`,
    'listen_backlog = 4096', 'log_connections = 0', 'log_disconnections = 0', `logfile = ${folder}/log`,
    'client_tls_sslmode = allow', `client_tls_cert_file = ${write('server.crt', certificate.cert)}`,
    `client_tls_key_file = ${write('server.key', certificate.key)}`,
    ...prepares ? ['max_prepared_statements = 200'] : [], ...more,
  ].join('\n')}\n`;
}
