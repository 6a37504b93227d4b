// MariaDB for tests: private servers, and a look at them from outside of the pool.

import { hasMariadb, startMariadb, type MariadbServer, type MariadbServerOptions } from '@millpond/lab/mariadb';
import type { MysqlConnectOptions } from 'millpond/mysql';
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, describe } from 'vitest';
import { until } from './postgres.ts';
import type { TcpProxy } from './proxy.ts';

export { startMariadb, type MariadbServer } from '@millpond/lab/mariadb';

/** The programs are the machine's. Where they are missing the tests are left out, loudly; in CI that is a failure. */
export function mariadbIsThere(): boolean {
  if (hasMariadb()) return true;
  const message = 'MariaDB (mariadbd, mariadb-install-db) is not on this machine: tests of millpond/mysql on a server are left out.';
  if (process.env['CI'] === 'true') throw new Error(`${message} In CI it must be there.`);
  process.stderr.write(`\n!!! ${message}\n\n`);
  return false;
}

/** One connection, as the process list shows it. */
export interface Thread {
  readonly ID: number;
  readonly COMMAND: string;
  readonly INFO: string | null;
}

/** `root`, who watches the server apart from any pool. */
export class Watcher implements AsyncDisposable {
  readonly server: MariadbServer;
  #connection: Promise<mysql.Connection> | undefined;

  constructor(server: MariadbServer) {
    this.server = server;
  }

  async query<R = Record<string, unknown>>(sql: string, values?: unknown[]): Promise<R[]> {
    const [rows] = await (await this.#connected()).query(sql, values);
    return rows as R[];
  }

  /** A user of its own, so that its connections can be told from others. */
  async addUser(name: string): Promise<void> {
    const { password, database } = this.server;
    await this.query(`CREATE USER IF NOT EXISTS \`${name}\`@'%' IDENTIFIED BY '${password}'`);
    await this.query(`GRANT ALL ON ${database}.* TO \`${name}\`@'%'`);
  }

  /** The connections of one user, oldest first. */
  threads(user: string): Promise<Thread[]> {
    return this.query<Thread>('SELECT ID, COMMAND, INFO FROM information_schema.PROCESSLIST WHERE USER = ? ORDER BY ID', [user]);
  }

  async count(user: string): Promise<number> {
    return (await this.threads(user)).length;
  }

  /** Waits until a connection of the user runs a statement with this text in it. */
  async running(user: string, text: string, besides?: number): Promise<Thread> {
    const isIt = ({ ID, INFO }: Thread): boolean => INFO !== null && INFO.includes(text) && ID !== besides;
    const all = await until(`${user} to run ${text}`, () => this.threads(user), (seen) => seen.some(isIt));
    return all.find(isIt)!;
  }

  /** Ends a connection. One that is gone already is no error. */
  async terminate(id: number | null): Promise<void> {
    await this.query(`KILL ${id ?? 0}`).catch((error: unknown) => {
      if ((error as { errno?: number }).errno !== 1094) throw error;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.then((each) => each.destroy(), () => undefined);
  }

  #connected(): Promise<mysql.Connection> {
    this.#connection ??= this.#connect();
    return this.#connection;
  }

  async #connect(): Promise<mysql.Connection> {
    const { host, port, rootPassword: password, database } = this.server;
    const connection = await mysql.createConnection({ host, port, user: 'root', password, database });
    const forget = (): void => { this.#connection = undefined; };
    connection.on('error', forget);
    connection.on('end', forget);
    return connection;
  }
}

export interface MariadbStage {
  readonly server: MariadbServer;
  readonly watcher: Watcher;
  /** Options for a pool on this server, whose connections the watcher finds under `user`. */
  options(user: string): Promise<MysqlConnectOptions>;
  /** The same by way of a proxy. */
  through(proxy: TcpProxy, user: string): Promise<MysqlConnectOptions>;
}

/** Runs a group of tests on a server that it shares. */
export function onMariadb(name: string, define: (stage: MariadbStage) => void, options: MariadbServerOptions = {}): void {
  describe.runIf(mariadbIsThere())(`MariaDB: ${name}`, () => {
    let server: MariadbServer | undefined;
    let watcher: Watcher | undefined;
    beforeAll(async () => {
      server = await startMariadb(options);
      watcher = new Watcher(server);
    });
    afterAll(async () => {
      await watcher?.[Symbol.asyncDispose]();
      await server?.stop();
    });
    define({
      get server() {
        if (server === undefined) throw new Error('the server is not up yet');
        return server;
      },
      get watcher() {
        if (watcher === undefined) throw new Error('the server is not up yet');
        return watcher;
      },
      async options(user) {
        await this.watcher.addUser(user);
        const { host, port, password, database } = this.server;
        return { host, port, user, password, database };
      },
      async through(proxy, user) {
        return { ...await this.options(user), host: '127.0.0.1', port: proxy.port };
      },
    });
  });
}
