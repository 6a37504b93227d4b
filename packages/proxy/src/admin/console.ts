// The console: what is said to somebody who connects to the database `pgbouncer`. Who may enter and what each may do is decided here; the
// commands themselves have files of their own.

import type { Socket } from 'node:net';
import type { Client } from '../client/client.ts';
import type { Startup } from '../client/login.ts';
import { Refused } from '../client/refused.ts';
import type { Proxy } from '../proxy.ts';
import { CONSOLE_DATABASE } from '../stats/statistics.ts';
import { farewell } from '../wire/farewell.ts';
import { ClosedError, type Inbox } from '../wire/pg/inbox.ts';
import { FROM_CLIENT, TRANSACTION } from '../wire/pg/types.ts';
import { authentication, backendKeyData, parameterStatus, readyForQuery } from '../wire/pg/write.ts';
import { doByAll, resumeIfDeserted, setByAll, showOfAll } from '../workers/gather.ts';
import { CANCELLED, resumeAll, type Context } from './commands/control.ts';
import { setParameter, showParameter } from './commands/parameters.ts';
import { set } from './commands/set.ts';
import { VERSION } from './commands/show-version.ts';
import { COMMANDS, SHOWS } from './commands.ts';
import { Dialogue } from './dialogue.ts';
import { parseCommand } from './parse.ts';
import { CommandError, type Answer } from './table.ts';

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
    // Whoever runs the proxy may do with it what it likes, and needs no entry anywhere for that.
    const owner = user === 'pgbouncer' && client.address === 'unix' && this.#proxy.localPeer !== undefined;
    const admin = owner || admins.includes(user);
    if (!admin && !watchers.includes(user)) throw new Refused('not allowed', '28000');
    if (owner) this.#proxy.log.info(`C-${client.id.toString(16)}: pgbouncer access from unix socket`);
    else if (authType !== 'any') await prove(user);
    // Whoever looks after the proxy must get in when nobody else can.
    if (!admin) this.#proxy.checkRoom(client);
    socket.write(Buffer.concat([
      authentication(0), ...PARAMETERS.map(([name, value]) => parameterStatus(name, value)), backendKeyData(client.key),
      readyForQuery(TRANSACTION.idle),
    ]));
    try {
      await this.#serve(client, socket, inbox, admin);
    } catch (error) {
      if (!(error instanceof ClosedError)) throw error;
    } finally {
      client.console = undefined;
      await this.#resumeWithoutVisitors();
    }
    farewell(socket);
  }

  async #serve(client: Client, socket: Socket, inbox: Inbox, admin: boolean): Promise<void> {
    let running = new AbortController();
    const gone = (): void => running.abort();
    client.console = { cancel: () => running.abort(CANCELLED) };
    socket.once('close', gone);
    const { counts } = this.#proxy.statistics.of(CONSOLE_DATABASE, CONSOLE_DATABASE);
    const dialogue = new Dialogue((text) => {
      counts.queries++;
      counts.transactions++;
      return this.#run(text, admin, running.signal);
    });
    for (;;) {
      const { type, body } = await inbox.next();
      if (type === FROM_CLIENT.terminate) return;
      // A cancel is about what runs, not about what comes afterwards.
      if (!socket.destroyed) running = new AbortController();
      const answer = await dialogue.take(type, body);
      counts.received += body.length;
      counts.sent += answer.length;
      if (answer.length > 0) socket.write(answer);
    }
  }

  async #run(text: string, admin: boolean, signal: AbortSignal): Promise<Answer> {
    try {
      return await this.#dispatch(text, admin, signal);
    } catch (error) {
      if (error instanceof CommandError) this.#proxy.log.error(error.message);
      throw error;
    }
  }

  #dispatch(text: string, admin: boolean, signal: AbortSignal): Promise<Answer> | Answer {
    const proxy = this.#proxy;
    const command = parseCommand(text);
    const unknown = (): never => { throw new CommandError(`invalid command '${text}', use SHOW HELP;`); };
    if (command === undefined) return unknown();
    const needsAdmin = (): void => {
      if (!admin) throw new CommandError('admin access needed');
    };
    if (command.kind === 'set') {
      const ignored = setParameter(command.key);
      if (ignored !== undefined) return ignored;
      needsAdmin();
      return proxy.team === undefined ? set(proxy, command.key, command.value) : setByAll(proxy.team, command.key, command.value);
    }
    const { name, argument } = command;
    if (name === 'show' || name === 'select') {
      const shown = argument === undefined ? undefined : SHOWS.get(argument.toLowerCase());
      if (argument === undefined) return unknown();
      if (shown === undefined) return showParameter(argument) ?? unknown();
      // It would show secrets.
      if (argument.toLowerCase() === 'fds') needsAdmin();
      return (proxy.team === undefined ? undefined : showOfAll(proxy.team, argument.toLowerCase())) ?? shown(proxy);
    }
    const run = COMMANDS.get(name);
    if (run === undefined) return unknown();
    needsAdmin();
    proxy.log.info(`${name.toUpperCase()}${argument === undefined ? '' : ` '${argument}'`} command issued`);
    if (proxy.team !== undefined) return doByAll(proxy.team, name, argument, signal).then((answer) => answer ?? unknown());
    const context: Context = { proxy, argument, signal };
    return run(context) ?? unknown();
  }

  /** Nobody else could know that everything stands still. */
  async #resumeWithoutVisitors(): Promise<void> {
    const { router, clients, log, team } = this.#proxy;
    if (router.mode !== 'suspended' || [...clients.values()].some((client) => client.console !== undefined)) return;
    if (team !== undefined && !await resumeIfDeserted(team)) return;
    log.info('admin disappeared when suspended, doing RESUME');
    if (team === undefined) resumeAll(this.#proxy);
  }
}
