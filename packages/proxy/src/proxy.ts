// The proxy as a whole: where it listens, who is connected, and what becomes of a connection from its first byte on. The command line
// starts one of these, and so may a test or a development server.

import { chmodSync, rmSync } from 'node:fs';
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { pause, resume } from './admin/commands/control.ts';
import { Suspension } from './admin/commands/suspend.ts';
import { Console } from './admin/console.ts';
import { cancel, newKey } from './cancels.ts';
import { Admission, refusalOf } from './client/admission.ts';
import { Client } from './client/client.ts';
import { Gate, type Proof } from './client/gate.ts';
import { open, type Startup } from './client/login.ts';
import { onlyPeer, type Peer } from './client/peer.ts';
import { isTrusted, takeProxyHeader } from './client/proxy-protocol.ts';
import { Refused } from './client/refused.ts';
import { wantsReplication } from './client/startup.ts';
import { ClientTls } from './client/tls.ts';
import { plainAddress } from './config/addresses.ts';
import type { Config } from './config/config.ts';
import { HookRunner, observed, type Hooks } from './hooks.ts';
import { familiesOf } from './http/metrics.ts';
import { listenHttp, obstacleOf, type HttpServer } from './http/server.ts';
import { Log, logOptions } from './log.ts';
import { Router } from './routing/router.ts';
import { dial } from './server/login.ts';
import { causeOf } from './stats/causes.ts';
import { Statistics, statsLine, type Averages } from './stats/statistics.ts';
import { farewell } from './wire/farewell.ts';
import { ClosedError } from './wire/pg/inbox.ts';
import { errorResponse, type Report } from './wire/pg/write.ts';
import { NOBODY } from './workers/census.ts';
import { statisticsOfAll, welcomeOf } from './workers/gather.ts';
import type { Team } from './workers/team.ts';

export interface ProxyOptions {
  readonly config: Config;
  /** Nothing to the terminal. */
  readonly quiet?: boolean;
  /** Reads the configuration again, for RELOAD and SIGHUP. */
  readonly reload?: () => Config;
  readonly hooks?: Hooks;
  /** It is one of several workers that are one proxy together. */
  readonly team?: Team;
}

const CONSOLE = 'pgbouncer';
/** A signal of the system waits for nobody who could go. */
const NEVER = new AbortController().signal;

const LAST_TURN_MS = 300;
const SWEEP_MS = 10_000;

/** What a shutdown waits for, beyond what it is doing at the moment. */
export type ShutdownWait = 'clients' | 'servers';

export class Proxy {
  readonly log: Log;
  readonly router: Router;
  readonly clients = new Map<string, Client>();
  readonly team: Team | undefined;
  /** Of `performance.now()`, as all times here. */
  readonly startedAt: number = performance.now();
  /** Who alone can connect to the Unix socket. */
  localPeer: Peer | undefined = undefined;
  readonly statistics: Statistics = new Statistics(performance.now());
  readonly suspension: Suspension = new Suspension(this);
  readonly #options: ProxyOptions;
  readonly #servers: Server[] = [];
  readonly #gate: Gate;
  readonly #hooks: HookRunner;
  readonly #tls: ClientTls;
  readonly #console: Console;
  readonly #admission: Admission;
  #period: NodeJS.Timeout | undefined = undefined;
  #periodMs: number | undefined = undefined;
  #sweep: NodeJS.Timeout | undefined = undefined;
  #http: HttpServer | undefined = undefined;
  #listening = false;
  #closing: Promise<void> | undefined = undefined;
  #waitsFor: ShutdownWait | undefined = undefined;
  /** Looks whether what a shutdown waits for has gone. */
  #onLess: (() => void) | undefined = undefined;

  constructor(options: ProxyOptions) {
    const { values } = options.config;
    this.#options = options;
    this.team = options.team;
    this.log = new Log(logOptions(values, options.quiet ?? false));
    this.#hooks = new HookRunner(options.hooks ?? {}, this.log);
    this.router = new Router(options.config, this.log, { made: (pool) => this.#hooks.watch(pool), team: options.team });
    this.#tls = new ClientTls(this.log);
    this.#gate = new Gate({ router: this.router, log: this.log, refusal: refusalOf, localPeer: () => this.localPeer });
    this.#admission = new Admission({
      router: this.router, log: this.log, statistics: this.statistics, hooks: this.#hooks,
      leaving: () => (this.#waitsFor === 'servers' ? 'server shutting down' : undefined),
      welcomeElsewhere: this.team === undefined ? undefined : (pool) => welcomeOf(this.team!, pool),
      closed: (client, reason, told) => this.#closed(client, reason, told),
    });
    this.#console = new Console(this);
  }

  get config(): Config {
    return this.router.config;
  }

  /** Listens. Rejects when an address cannot be had. Returns the TCP port, undefined without one. */
  async listen(): Promise<number | undefined> {
    const { values } = this.config;
    this.#tls.load(values);
    this.#warn(this.config);
    this.#sweep = setInterval(() => {
      this.router.forgetIdle(new Set([...this.clients.values()].map(({ database }) => database)));
    }, SWEEP_MS);
    this.#sweep.unref();
    this.#countPeriods();
    if (values.workers > 1 && this.team === undefined) this.log.warn('workers are for the command line: this is one process');
    let port: number | undefined;
    for (const address of values.listen_addr) {
      const host = address === '*' ? '::' : address;
      // All workers listen at the same port, and the system divides connections among them.
      const shared = values.so_reuseport || this.team !== undefined ? { reusePort: true } : {};
      const server = await this.#listenAt({ host, port: port ?? values.listen_port, backlog: values.listen_backlog, ...shared });
      const bound = server.address();
      port ??= typeof bound === 'object' && bound !== null ? bound.port : undefined;
      this.log.info(`listening on ${address}:${port}`);
    }
    // A path cannot be shared: the first of several workers has it.
    if (values.unix_socket_dir !== '' && (this.team?.number ?? 1) === 1) {
      const path = `${values.unix_socket_dir}/.s.PGSQL.${port ?? values.listen_port}`;
      if (await answers(path)) throw new Error('unix socket is in use, cannot continue');
      rmSync(path, { force: true });
      await this.#listenLocally(path);
    }
    if (values.http_port > 0 && this.team === undefined) await this.listenHttp();
    this.#gate.reload();
    this.#listening = true;
    return port;
  }

  /** Where machines ask how it is, whether the configuration has a port for that or not. Returns the port. */
  async listenHttp(): Promise<number> {
    const { http_addr: host, http_port: port } = this.config.values;
    this.#http = await listenHttp({
      log: this.log, families: () => familiesOf(this), obstacle: () => obstacleOf(this),
    }, { host, port });
    this.log.info(`listening on http://${host}:${this.#http.port}`);
    return this.#http.port;
  }

  /** Clients can connect. */
  get isListening(): boolean {
    return this.#listening && !this.isClosing;
  }

  async #listenLocally(path: string): Promise<void> {
    const { unix_socket_mode: mode, listen_backlog: backlog } = this.config.values;
    // Until it has its mode nobody is to get in: whoever does now would count as somebody who could do so later. A worker cannot do this.
    const before = isMainThread ? process.umask(0o777) : undefined;
    const listening = this.#listenAt({ path, backlog });
    if (before !== undefined) process.umask(before);
    await listening;
    chmodSync(path, mode);
    this.log.info(`listening on unix:${path}`);
    this.localPeer = onlyPeer(path);
    if (this.localPeer === undefined) this.log.info('unix socket is open to several users: the console\'s own user has to prove who it is');
    else this.log.info(`unix socket is only for uid ${this.localPeer.uid}: user "${CONSOLE}" may enter the console without a password`);
  }

  #listenAt(where: ListenOptions): Promise<Server> {
    const server = createServer({ noDelay: true }, (socket) => void this.#meet(socket, where.path !== undefined));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject).listen(where, () => {
        server.off('error', reject).on('error', (error) => this.log.error(`accept() failed: ${error.message}`));
        resolve(server);
      });
    });
  }

  /** Averages are taken every stats_period, and logged. */
  #countPeriods(): void {
    const { stats_period: periodMs } = this.config.values;
    if (periodMs === this.#periodMs) return;
    this.#periodMs = periodMs;
    clearInterval(this.#period);
    if (periodMs === 0) return;
    this.#period = setInterval(() => {
      const averages = this.statistics.endPeriod(performance.now());
      if (this.config.values.log_stats) void this.#logStats(averages);
    }, periodMs);
    this.#period.unref();
  }

  /** One line for all workers, of the first one. */
  async #logStats(averages: Averages): Promise<void> {
    const { team } = this;
    if (team !== undefined && team.number > 1) return;
    try {
      this.log.info(statsLine(team === undefined ? averages : (await statisticsOfAll(team)).all(performance.now()).averages));
    } catch (error) {
      this.log.warn(`stats: ${words(error)}`);
    }
  }

  /** Reads the configuration again. False: there is none, or it has faults, and everything stays as it is. */
  reload(): boolean {
    const config = this.#options.reload?.();
    for (const { message } of config?.problems ?? []) this.log.error(message);
    if (config === undefined || config.problems.length > 0) return false;
    this.#warn(config);
    this.apply(config);
    return true;
  }

  #warn({ warnings }: Config): void {
    for (const { file, line, message } of warnings) this.log.warn(`${message} (${file}:${line})`);
  }

  /** Takes another configuration, as far as it can be taken while it runs. False: not its TLS. */
  apply(config: Config): boolean {
    this.router.load(config);
    this.#countPeriods();
    this.#admission.configure(this.config);
    for (const { session, database } of this.clients.values()) {
      if (database?.removed === true) session?.fail({ severity: 'FATAL', code: '08P01', message: 'database removed' }, 'database removed');
    }
    this.log.configure(logOptions(config.values, this.#options.quiet ?? false));
    this.#gate.reload();
    return this.#tls.reload(config.values);
  }

  /** Everything is held. */
  get isPaused(): boolean {
    return this.router.mode !== 'active';
  }

  /** Holds new work everywhere. Resolves when what was running has come to its end. */
  async pause(): Promise<void> {
    await pause({ proxy: this, argument: undefined, signal: NEVER });
  }

  resume(): void {
    resume({ proxy: this, argument: undefined, signal: NEVER });
  }

  /** It is going, or has gone. */
  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Stops listening, and ends everything at once, or waits: for `clients` until all have gone, for `servers` until no server connection is
   * in use, while nobody gets one any more. Resolves when nothing is left. Called again it does not wait any longer, if it is told so.
   */
  close({ wait }: { readonly wait?: ShutdownWait } = {}): Promise<void> {
    this.#waitsFor = wait;
    if (this.#closing === undefined) {
      this.#closing = this.#close();
      this.#closing.then(() => this.#onClosed?.(), () => undefined);
    }
    this.#onLess?.();
    return this.#closing;
  }

  /** Called when it has gone, whoever told it to. */
  onClosed(listener: () => void): void {
    this.#onClosed = listener;
  }

  #onClosed: (() => void) | undefined = undefined;

  async #close(): Promise<void> {
    clearInterval(this.#sweep);
    clearInterval(this.#period);
    for (const server of this.#servers) server.close();
    // Whoever is in line may still have its turn, for a moment: what is under way comes to its end now.
    if (this.#waitsFor === 'servers') setTimeout(() => this.#refuseWaiting(), LAST_TURN_MS).unref();
    for (const { pool } of this.router.pools.values()) pool.on('release', () => this.#onLess?.());
    await new Promise<void>((resolve) => {
      this.#onLess = () => {
        if (!this.#isAwaited()) resolve();
      };
      this.#onLess();
    });
    this.#dropClients();
    this.#http?.close();
    await Promise.all([...this.router.pools.values()].map(({ pool }) => pool.close({ deadlineMs: 0 })));
  }

  #refuseWaiting(): void {
    for (const pool of this.router.pools.values()) pool.refuseWaiting('server shutting down');
  }

  #isAwaited(): boolean {
    for (const { session } of this.clients.values()) {
      if (session === undefined) continue;
      if (this.#waitsFor === 'clients' || (this.#waitsFor === 'servers' && session.server !== undefined)) return true;
    }
    return false;
  }

  #dropClients(): void {
    for (const { session, socket } of this.clients.values()) {
      if (session === undefined) socket.destroy();
      else session.fail({ severity: 'FATAL', code: '57P01', message: 'pgbouncer is shutting down' }, 'shutting down');
    }
  }

  // ------------------------------------------------------------------------------------------------------- a client

  async #meet(socket: Socket, local: boolean): Promise<void> {
    const key = newKey(this.config.values.peer_id);
    const client = new Client({
      socket, key, address: local ? 'unix' : plainAddress(socket.remoteAddress ?? 'unknown'),
      port: local ? this.config.values.listen_port : socket.remotePort ?? 0,
    });
    this.clients.set(key.toString('hex'), client);
    this.#hooks.observe?.({ type: 'clientConnected', ...observed(client) });
    this.team?.count(this.clients);
    // Whoever goes before it is logged in has nothing to be told.
    socket.on('error', () => undefined).once('close', () => this.#gone(client));
    const { client_login_timeout: timeoutMs } = this.config.values;
    const timer = timeoutMs === 0 ? undefined : setTimeout(() => this.#refuse(client, new Refused('client_login_timeout')), timeoutMs);
    try {
      await this.suspension.ended;
      await this.#welcome(client);
    } catch (error) {
      this.#refuse(client, error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #welcome(client: Client): Promise<void> {
    const { values } = this.config;
    const local = client.address === 'unix';
    if (values.proxy_protocol && !local && isTrusted(client.address, values.proxy_protocol_from)) {
      const source = await takeProxyHeader(client.socket);
      if (source !== undefined) ({ address: client.address, port: client.port } = source);
    }
    const opened = open(client.socket, { values, tls: this.#tls, local });
    client.socket.resume();
    const opening = await opened;
    if (opening.kind === 'cancel') {
      await this.#cancel(opening.key);
      farewell(client.socket);
      return;
    }
    client.tls = opening.tls;
    // What is said from here on is said inside of TLS.
    client.stream = opening.socket.on('error', () => undefined);
    const { parameters } = opening;
    client.replication = replicationOf(parameters.get('replication'));
    client.user = parameters.get('user') ?? '';
    const asked = parameters.get('database') ?? client.user;
    if (client.user === '') throw new Refused('No username supplied');
    if (asked === CONSOLE) {
      await this.#console.admit(client, opening, () => this.#prove(client, opening, asked));
      return;
    }
    // Whoever looks after the proxy must get in when nobody else can.
    if (this.clients.size + (this.team?.elsewhere.all ?? 0) > values.max_client_conn) {
      throw new Refused('no more connections allowed (max_client_conn)', '53300');
    }
    const name = await this.#hooks.route(client, asked, parameters);
    client.database = name === CONSOLE ? undefined : this.router.database(name, false);
    const proof = await this.#prove(client, opening, name);
    const database = name === CONSOLE ? undefined : this.router.database(name);
    client.database = database;
    client.user = proof.user;
    if (database === undefined) throw new Refused(`no such database: ${name}`, '3D000');
    if (database.disabled) throw new Refused(`database "${name}" is disabled`, '08P01');
    this.checkRoom(client);
    await this.#admission.admit(client, opening, this.router.pool(database, proof.user, proof.secret, proof.clientKeys));
    if (client.session !== undefined) this.#hooks.observe?.({ type: 'clientLoggedIn', ...observed(client) });
  }

  #prove(client: Client, { socket, inbox, parameters }: Startup, databaseName: string): Promise<Proof> {
    const { user, address, database, tls, name } = client;
    if (this.config.values.log_connections) {
      this.log.info(`${name} login attempt: db=${databaseName} user=${user} tls=${tls ? 'yes' : 'no'}`);
    }
    return this.#gate.prove({
      socket, inbox, user, address, databaseName, database, client: name, console: databaseName === CONSOLE,
      // Of one database it is a client like others, for hba.
      replication: client.replication === 'physical',
      isDecided: this.#hooks.authenticates,
      decide: (password) => this.#hooks.authenticate(client, databaseName, parameters, password),
    });
  }

  /** Turns away who is one too many of a database, the console being one, or of a user. */
  checkRoom({ database, user }: Client): void {
    const { values, users } = this.config;
    const isIn = ({ pool, console: visit }: Client): boolean => pool !== undefined || visit !== undefined;
    const count = (of: (client: Client) => boolean): number =>
      [...this.clients.values()].filter((each) => isIn(each) && of(each)).length;
    const { elsewhere = NOBODY } = this.team ?? {};
    const there = elsewhere.databases.get(database?.config.name ?? CONSOLE) ?? 0;
    const perDatabase = database?.config.maxDbClientConnections ?? values.max_db_client_connections;
    if (perDatabase > 0 && there + count((each) => each.database === database) >= perDatabase) {
      throw new Refused('client connections exceeded (max_db_client_connections)', '53300');
    }
    const perUser = users.get(user)?.maxUserClientConnections ?? values.max_user_client_connections;
    if (perUser > 0 && count((each) => each.user === user) + (elsewhere.users.get(user) ?? 0) >= perUser) {
      throw new Refused('client connections exceeded (max_user_client_connections)', '53300');
    }
    // The others are told in a moment, when it has a pool or is in the console.
    this.team?.count(this.clients);
  }

  #cancel(key: Buffer): Promise<void> {
    const { team } = this;
    const others = team === undefined || this.clients.has(key.toString('hex')) ? undefined
      : (own: Buffer): Promise<unknown> => team.ask({ kind: 'cancel', key: own.toString('hex') }, { others: true });
    return this.cancelHere(key, others);
  }

  /** Cancels for a client that is connected to this process, or has the others do it. */
  async cancelHere(key: Buffer, others?: (key: Buffer) => Promise<unknown>): Promise<void> {
    this.clients.get(key.toString('hex'))?.console?.cancel();
    const { peer_id: peerId, cancel_wait_timeout: timeoutMs } = this.config.values;
    await cancel(key, {
      peerId, timeoutMs, peers: this.config.peers, log: this.log, find: (hex) => this.clients.get(hex)?.session?.server, others,
    });
  }

  #refuse(client: Client, error: unknown): void {
    const { stream } = client;
    if (error instanceof ClosedError) {
      stream.destroy();
      return;
    }
    const report: Report = error instanceof Refused ? error.report : { severity: 'FATAL', code: '08P01', message: words(error) };
    this.#closed(client, report.message, report);
    farewell(stream, client.session === undefined ? errorResponse(report) : undefined);
  }

  #closed(client: Client, reason: string, told: Report | undefined): void {
    const { log_disconnections: logs, log_pooler_errors: logsErrors } = this.config.values;
    if (told !== undefined) this.#failed(client, told);
    if (logs) this.log.info(`${client.name} closing because: ${reason} (age=${client.age}s)`);
    if (told !== undefined && logsErrors) this.log.warn(`${client.name} pooler error: ${told.message}`);
  }

  /** Counts what a client is told by the proxy and not by a server. */
  #failed(client: Client, { message, code }: Report): void {
    const { pool } = client;
    this.#hooks.observe?.({ type: 'error', ...observed(client), message, code });
    const record = pool === undefined ? undefined : this.statistics.of(pool.database.name, pool.credentials.user);
    this.statistics.failed(causeOf(message), record);
  }

  #gone(client: Client): void {
    this.clients.delete(client.key.toString('hex'));
    this.#hooks.observe?.({ type: 'clientLeft', ...observed(client) });
    this.team?.count(this.clients);
    this.#onLess?.();
  }
}

function replicationOf(asked: string | undefined): Client['replication'] {
  if (!wantsReplication(asked)) return 'none';
  return asked === 'database' ? 'logical' : 'physical';
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Somebody listens at this Unix socket. */
async function answers(path: string): Promise<boolean> {
  const folder = path.slice(0, path.lastIndexOf('/'));
  const port = Number(path.slice(path.lastIndexOf('.') + 1));
  try {
    (await dial({ host: folder, port }, AbortSignal.timeout(1_000))).destroy();
    return true;
  } catch {
    return false;
  }
}
