// A proxy in front of a private server, from a configuration as somebody would write it.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig, Proxy } from '@millpond/proxy';
import { startPostgres, type PostgresServer } from '@millpond/lab/postgres';
import pg from 'pg';

export interface Bouncer extends AsyncDisposable {
  readonly proxy: Proxy;
  readonly server: PostgresServer;
  readonly folder: string;
  readonly port: number;
  /** A client of the proxy, not connected yet. */
  client(options?: pg.ClientConfig): pg.Client;
  /** Rows of a console command. */
  admin(command: string): Promise<Record<string, unknown>[]>;
  /** Writes the configuration again, with other lines, and reloads. */
  rewrite(lines: readonly string[]): boolean;
}

/** `lines`: of `[pgbouncer]`, over what is needed to listen. `databases`: over one called `main`, which is the server's. */
export async function startBouncer(
  server: PostgresServer, lines: readonly string[] = [], databases?: readonly string[], sections: readonly string[] = [],
): Promise<Bouncer> {
  const folder = mkdtempSync(join(tmpdir(), 'millpond-proxy-'));
  const file = join(folder, 'pgbouncer.ini');
  const write = (settings: readonly string[]): void => {
    writeFileSync(join(folder, 'users.txt'), `"${server.user}" "${server.password}"\n"boss" "secret of boss"\n`);
    writeFileSync(file, [
      '[databases]', ...(databases ?? [`main = host=${server.host} port=${server.port} dbname=${server.database}`]),
      ...sections,
      '[pgbouncer]', 'listen_addr = 127.0.0.1', 'listen_port = 0', `unix_socket_dir = ${folder}`, 'auth_file = users.txt',
      'auth_type = scram-sha-256', 'admin_users = boss', 'pool_mode = transaction', `logfile = ${join(folder, 'log')}`, ...settings, '',
    ].join('\n'));
  };
  write(lines);
  const proxy = new Proxy({ config: loadConfig(file), quiet: true, reload: () => loadConfig(file) });
  const port = (await proxy.listen())!;
  const client = (options: pg.ClientConfig = {}): pg.Client => {
    const made = new pg.Client({ host: '127.0.0.1', port, user: server.user, password: server.password, database: 'main', ...options });
    // The proxy may end it at any time, and each test says what it expects.
    made.on('error', () => undefined);
    return made;
  };
  return {
    proxy, server, folder, port, client,
    admin: async (command) => {
      const boss = client({ user: 'boss', password: 'secret of boss', database: 'pgbouncer' });
      await boss.connect();
      try {
        return (await boss.query<Record<string, unknown>>(command)).rows;
      } finally {
        await boss.end();
      }
    },
    rewrite: (settings) => {
      write(settings);
      return proxy.reload();
    },
    [Symbol.asyncDispose]: async () => {
      await proxy.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export { startPostgres, type PostgresServer };
