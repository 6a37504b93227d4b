// The proxy as a process of its own, from what is built.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { PostgresServer } from '../bouncer.ts';
import { WireClient, type Place } from './wire-client.ts';

const PACKAGE = fileURLToPath(new URL('../../../packages/proxy', import.meta.url));
const PORT = 6432;

/** Builds it: a process runs what is built. */
export function build(): void {
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  execFileSync(process.execPath, [tsc, '-b', PACKAGE], { encoding: 'utf8', stdio: 'pipe' });
}

export interface ProxyProcess {
  readonly child: ChildProcess;
  /** Where its Unix socket is. */
  readonly place: Place;
}

/** Starts it in this folder, with a Unix socket and nothing else; `lines`: more of `[pgbouncer]`. Resolves when clients can connect. */
export async function startProcess(server: PostgresServer, folder: string, lines: readonly string[] = []): Promise<ProxyProcess> {
  const file = join(folder, 'pgbouncer.ini');
  writeFileSync(join(folder, 'users.txt'), `"${server.user}" "${server.password}"\n`);
  writeFileSync(file, [
    '[databases]', `main = host=${server.host} port=${server.port} dbname=${server.database}`, '[pgbouncer]', 'listen_addr =',
    `listen_port = ${PORT}`, `unix_socket_dir = ${folder}`, 'auth_file = users.txt', 'auth_type = trust', `admin_users = ${server.user}`,
    'pool_mode = transaction', ...lines, '',
  ].join('\n'));
  const child = spawn(process.execPath, [join(PACKAGE, 'dist/cli.js'), '-q', file], { stdio: 'inherit' });
  const place = { host: join(folder, `.s.PGSQL.${PORT}`), port: 0, user: server.user, database: 'main' };
  await expect.poll(async () => WireClient.connect(place).then((client) => client.vanish(), (error: unknown) => String(error)), {
    timeout: 20_000,
  }).toBeUndefined();
  return { child, place };
}
