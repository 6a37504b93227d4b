// Runs a group of tests against each version of PostgreSQL, on a server of its own that the group shares.

import type { PgConnectOptions } from 'millpond/pg';
import { afterAll, beforeAll, describe } from 'vitest';
import { Observer, postgresVersions, startPostgres, type PostgresServer, type PostgresServerOptions } from './postgres.ts';
import type { TcpProxy } from './proxy.ts';

export interface Stage {
  readonly server: PostgresServer;
  readonly observer: Observer;
  /** Options for a pool on this server whose connections the observer finds under `application`. */
  options(application: string): { readonly connectionString: string; readonly application_name: string };
  /** The same by way of a proxy. */
  through(proxy: TcpProxy, application: string): PgConnectOptions;
}

export function onEachPostgres(name: string, define: (stage: Stage) => void, options: Omit<PostgresServerOptions, 'version'> = {}): void {
  for (const version of postgresVersions()) {
    describe(`PostgreSQL ${version}: ${name}`, () => {
      let server: PostgresServer | undefined;
      let observer: Observer | undefined;
      beforeAll(async () => {
        server = await startPostgres({ ...options, version });
        observer = new Observer(server);
      });
      afterAll(async () => {
        await observer?.[Symbol.asyncDispose]();
        await server?.stop();
      });
      define({
        get server() {
          if (server === undefined) throw new Error('the server is not up yet');
          return server;
        },
        get observer() {
          if (observer === undefined) throw new Error('the server is not up yet');
          return observer;
        },
        options(application) {
          return { connectionString: this.server.connectionString, application_name: application };
        },
        through(proxy, application) {
          const { user, password } = this.server;
          return { host: '127.0.0.1', port: proxy.port, user, password, application_name: application };
        },
      });
    });
  }
}
