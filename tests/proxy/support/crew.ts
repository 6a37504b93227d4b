// A proxy of several workers, as a process of its own: that needs a Node which can share a port. If it is not this one, another one is
// fetched from npm, once. Where that is not to be had the tests are left out, loudly; in CI it must be there.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PostgresServer } from '@millpond/lab/postgres';
import pg from 'pg';
import { expect } from 'vitest';
import { canSharePorts } from '../../../packages/proxy/src/config/sharing.ts';

const PATIENCE = { timeout: 20_000 };
const NODE = '22';
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PACKAGE = join(ROOT, 'packages/proxy');

/** The Node to run it with; undefined: there is none, which has been said. */
export function sharingNode(): string | undefined {
  if (canSharePorts(process)) return process.execPath;
  if (!canSharePorts({ platform: process.platform, version: `v${NODE}.12.0` })) {
    process.stderr.write(`\n!!! Ports cannot be shared on ${process.platform}: tests of several workers are left out.\n\n`);
    return undefined;
  }
  try {
    return execFileSync(process.execPath, [join(ROOT, 'scripts/node-binary.mjs'), NODE], { encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch (error) {
    const message = `Node ${NODE} cannot be had, and this one cannot share a port: tests of several workers are left out. ${String(error)}`;
    if (process.env['CI'] === 'true') throw new Error(`${message} In CI it must be there.`, { cause: error });
    process.stderr.write(`\n!!! ${message}\n\n`);
    return undefined;
  }
}

/** A process runs what is built. */
export function build(): void {
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  execFileSync(process.execPath, [tsc, '-b', PACKAGE], { encoding: 'utf8', stdio: 'pipe' });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface Crew extends AsyncDisposable {
  readonly port: number;
  readonly httpPort: number;
  readonly folder: string;
  readonly process: ChildProcess;
  /** Resolves with the code that it ended with. */
  readonly ended: Promise<number | null>;
  client(options?: pg.ClientConfig): pg.Client;
  /** Connected, in the console. */
  boss(): Promise<pg.Client>;
  admin(command: string): Promise<Record<string, unknown>[]>;
  log(): string;
  /** By number: of the workers that are up. */
  pids(): Map<number, number>;
  rewrite(lines: readonly string[]): void;
}

/** `awaited`: what the log says when it is up. */
export async function startCrew(
  server: PostgresServer, node: string, lines: readonly string[] = [], awaited = 'process up',
): Promise<Crew> {
  const folder = mkdtempSync(join(tmpdir(), 'millpond-crew-'));
  const [port, httpPort] = [await freePort(), await freePort()];
  const file = join(folder, 'pgbouncer.ini');
  const write = (settings: readonly string[]): void => {
    writeFileSync(join(folder, 'users.txt'), `"${server.user}" "${server.password}"\n"boss" "secret of boss"\n`);
    writeFileSync(file, [
      '[databases]', `main = host=${server.host} port=${server.port} dbname=${server.database}`, '[pgbouncer]', 'workers = 2',
      'listen_addr = 127.0.0.1', `listen_port = ${port}`, `unix_socket_dir = ${folder}`, 'auth_file = users.txt', `http_port = ${httpPort}`,
      'auth_type = plain', 'admin_users = boss', 'pool_mode = transaction', `logfile = ${join(folder, 'log')}`, ...settings, '',
    ].join('\n'));
  };
  write(lines);
  const child = spawn(node, [join(PACKAGE, 'dist/cli.js'), '-q', file], { stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => { child.once('exit', resolve); });
  const log = (): string => {
    try {
      return readFileSync(join(folder, 'log'), 'utf8');
    } catch {
      return '';
    }
  };
  const client = (options: pg.ClientConfig = {}): pg.Client => {
    const made = new pg.Client({ host: '127.0.0.1', port, user: server.user, password: server.password, database: 'main', ...options });
    made.on('error', () => undefined);
    return made;
  };
  const boss = async (): Promise<pg.Client> => {
    const made = client({ user: 'boss', password: 'secret of boss', database: 'pgbouncer' });
    await made.connect();
    return made;
  };
  const crew: Crew = {
    port, httpPort, folder, process: child, ended, client, boss, log, rewrite: write,
    admin: async (command) => {
      const visitor = await boss();
      try {
        return (await visitor.query<Record<string, unknown>>(command)).rows;
      } finally {
        await visitor.end();
      }
    },
    pids: () => new Map([...log().matchAll(/worker (\d+) is up \(pid=(\d+)\)/g)].map(([, number, pid]) => [Number(number), Number(pid)])),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await expect.poll(log, PATIENCE).toContain(awaited);
  return crew;
}

/** As many clients as it takes until each worker has at least `each`; they are told apart by the parity of their numbers. */
export async function clientsOfBoth(crew: Crew, each: number): Promise<readonly [pg.Client[], pg.Client[]]> {
  const both: [pg.Client[], pg.Client[]] = [[], []];
  for (let n = 0; both[0].length < each || both[1].length < each; n++) {
    const name = `client ${n}`;
    const client = crew.client({ application_name: name });
    await client.connect();
    const row = (await crew.admin('SHOW CLIENTS')).find((one) => one['application_name'] === name);
    both[Number(row!['id']) % 2]!.push(client);
  }
  return both;
}
