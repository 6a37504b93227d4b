// The console: what is said to somebody who connects to the database `pgbouncer`. One message at a time, simple queries only so far.

import type { Socket } from 'node:net';
import { Refused, type Startup } from '../client/login.ts';
import type { Client } from '../client/client.ts';
import type { Proxy } from '../proxy.ts';
import { ClosedError, type Inbox } from '../wire/pg/inbox.ts';
import { FROM_CLIENT, TRANSACTION } from '../wire/pg/types.ts';
import {
  authentication, backendKeyData, commandComplete, dataRow, emptyQueryResponse, errorResponse, parameterStatus, readyForQuery,
  rowDescription,
} from '../wire/pg/write.ts';
import { disable, pause, reconnect, reload, resume } from './commands/control.ts';
import { showClients } from './commands/show-clients.ts';
import { showConfig } from './commands/show-config.ts';
import { showDatabases } from './commands/show-databases.ts';
import { showPools } from './commands/show-pools.ts';
import { showStats, showStatsAverages, showStatsTotals, showTotals } from './commands/show-stats.ts';
import { showVersion, VERSION } from './commands/show-version.ts';
import { parseCommand } from './parse.ts';
import { CommandError, type Answer } from './table.ts';

type Show = (proxy: Proxy) => Answer;

const SHOWS: Readonly<Record<string, Show>> = {
  clients: showClients, config: showConfig, databases: showDatabases, pools: showPools, stats: showStats,
  stats_averages: showStatsAverages, stats_totals: showStatsTotals, totals: showTotals, version: showVersion,
};

/** What every client of a PostgreSQL expects to be told. */
const PARAMETERS = [
  ['server_version', `1.25.0/${VERSION}`], ['client_encoding', 'UTF8'], ['server_encoding', 'UTF8'], ['DateStyle', 'ISO'],
  ['TimeZone', 'GMT'],
  ['standard_conforming_strings', 'on'], ['is_superuser', 'on'],
] as const;

export class Console {
  readonly #proxy: Proxy;

  constructor(proxy: Proxy) {
    this.#proxy = proxy;
  }

  /** Lets somebody in who may, and serves until they go. */
  async admit(client: Client, { socket, inbox }: Startup, prove: (user: string) => Promise<unknown>): Promise<void> {
    const { admin_users: admins, stats_users: watchers, auth_type: authType } = this.#proxy.config.values;
    const { user } = client;
    const admin = authType === 'any' || admins.includes(user);
    if (!admin && !watchers.includes(user)) throw new Refused('not allowed', '28000');
    await prove(user);
    socket.write(Buffer.concat([
      authentication(0), ...PARAMETERS.map(([name, value]) => parameterStatus(name, value)), backendKeyData(client.key),
      readyForQuery(TRANSACTION.idle),
    ]));
    try {
      await this.#serve(socket, inbox, admin);
    } catch (error) {
      if (!(error instanceof ClosedError)) throw error;
    }
    socket.end();
  }

  async #serve(socket: Socket, inbox: Inbox, admin: boolean): Promise<void> {
    for (;;) {
      const { type, body } = await inbox.next();
      if (type === FROM_CLIENT.terminate) return;
      if (type !== FROM_CLIENT.query) throw new Refused('the console takes simple queries only');
      socket.write(await this.#answer(body.text(), admin));
    }
  }

  async #answer(text: string, admin: boolean): Promise<Buffer> {
    const ready = readyForQuery(TRANSACTION.idle);
    if (text.trim() === '') return Buffer.concat([emptyQueryResponse(), ready]);
    try {
      const { table, tag } = await this.#run(text, admin);
      const rows = table === undefined ? [] : [rowDescription(table.columns), ...table.rows.map((row) => dataRow(row))];
      return Buffer.concat([...rows, commandComplete(tag), ready]);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      this.#proxy.log.error(error.message);
      return Buffer.concat([errorResponse({ code: '08P01', message: error.message }), ready]);
    }
  }

  #run(text: string, admin: boolean): Promise<Answer> | Answer {
    const command = parseCommand(text);
    const unknown = (): never => { throw new CommandError(`invalid command '${text}', use SHOW HELP;`); };
    if (command === undefined) return unknown();
    if (command.kind === 'command' && command.name === 'show') {
      const shown = SHOWS[(command.argument ?? 'help').toLowerCase()];
      return shown === undefined ? unknown() : shown(this.#proxy);
    }
    if (!admin) throw new CommandError('admin access needed');
    if (command.kind === 'set') throw new CommandError('SET failed: change the file and RELOAD');
    switch (command.name) {
      case 'pause': return pause(this.#proxy, command.argument);
      case 'resume': return resume(this.#proxy, command.argument);
      case 'disable': return disable(this.#proxy, command.argument, true);
      case 'enable': return disable(this.#proxy, command.argument, false);
      case 'reconnect': return reconnect(this.#proxy, command.argument);
      case 'reload': return reload(this.#proxy);
      case 'shutdown':
        void this.#proxy.close();
        return { tag: 'SHUTDOWN' };
      default: return unknown();
    }
  }
}
