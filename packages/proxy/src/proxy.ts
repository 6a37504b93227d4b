// The proxy as a whole: where it listens, who is connected, and what becomes of a connection from its first byte on. The command line
// starts one of these, and so may a test or a development server.

import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket, type SecureContext } from 'node:tls';
import { AcquireError, AcquireTimeoutError, CreateError, type Lease } from 'millpond';
import { Console } from './admin/console.ts';
import { authenticate, open, Refused, type Shown, type Startup } from './client/login.ts';
import type { Limits } from './client/deadlines.ts';
import { ClientSession } from './client/session.ts';
import { StatementNames } from './client/statements.ts';
import type { Config } from './config/config.ts';
import { Log } from './log.ts';
import { Router, type Database } from './routing/router.ts';
import type { ServerConnection } from './server/connection.ts';
import { dial, ServerLoginError } from './server/login.ts';
import { trackedParameters } from './server/parameters.ts';
import type { ServerPool } from './server/pool.ts';
import { versionsOf } from './server/tls.ts';
import { causeOf } from './stats/causes.ts';
import { Meter } from './stats/counts.ts';
import { Statistics, statsLine } from './stats/statistics.ts';
import { ClosedError } from './wire/pg/inbox.ts';
import type { ScramSecret } from './wire/pg/scram.ts';
import { TRANSACTION } from './wire/pg/types.ts';
import {
  authentication, backendKeyData, cancelRequest, errorResponse, parameterStatus, readyForQuery, type Report,
} from './wire/pg/write.ts';

export interface ProxyOptions {
  readonly config: Config;
  /** Nothing to the terminal. */
  readonly quiet?: boolean;
  /** Reads the configuration again, for RELOAD and SIGHUP. */
  readonly reload?: () => Config;
}

/** A client that is connected, logged in or not yet. */
export interface Client {
  readonly id: number;
  readonly socket: Socket;
  /** What it sends to cancel: its process and its secret. */
  readonly key: Buffer;
  readonly connectedAt: number;
  readonly address: string;
  readonly port: number;
  database: Database | undefined;
  user: string;
  pool: ServerPool | undefined;
  session: ClientSession | undefined;
  tls: boolean;
}

const CONSOLE = 'pgbouncer';
const DEFAULT_CANCEL_TIMEOUT_MS = 10_000;

export class Proxy {
  readonly log: Log;
  readonly router: Router;
  readonly clients = new Map<string, Client>();
  /** Of `performance.now()`, as all times here. */
  readonly startedAt: number = performance.now();
  readonly statistics = new Statistics(performance.now());
  readonly #options: ProxyOptions;
  readonly #servers: Server[] = [];
  readonly #statementNames = new StatementNames();
  readonly #mockKey = randomBytes(32);
  readonly #made = new Map<string, Promise<ScramSecret>>();
  readonly #console: Console;
  #tracked: ReadonlyMap<string, string>;
  #context: SecureContext | undefined = undefined;
  #nextId = 1;
  #period: NodeJS.Timeout | undefined = undefined;
  #periodMs: number | undefined = undefined;
  #closing: Promise<void> | undefined = undefined;
  #onEmpty: (() => void) | undefined = undefined;

  constructor(options: ProxyOptions) {
    const { values } = options.config;
    this.#options = options;
    this.log = new Log({ file: values.logfile, quiet: options.quiet ?? false, verbose: values.verbose });
    this.router = new Router(options.config, this.log);
    this.#tracked = trackedParameters(values.track_extra_parameters);
    this.#console = new Console(this);
  }

  get config(): Config {
    return this.router.config;
  }

  /** Listens. Rejects when an address cannot be had. Returns the TCP port, undefined without one. */
  async listen(): Promise<number | undefined> {
    const { values } = this.config;
    this.#secure();
    this.#countPeriods();
    let port: number | undefined;
    for (const address of values.listen_addr) {
      const host = address === '*' ? '::' : address;
      const server = await this.#listenAt({ host, port: port ?? values.listen_port, backlog: values.listen_backlog });
      const bound = server.address();
      port ??= typeof bound === 'object' && bound !== null ? bound.port : undefined;
      this.log.info(`listening on ${address}:${port}`);
    }
    if (values.unix_socket_dir !== '') {
      const path = `${values.unix_socket_dir}/.s.PGSQL.${port ?? values.listen_port}`;
      if (await answers(path)) throw new Error('unix socket is in use, cannot continue');
      rmSync(path, { force: true });
      await this.#listenAt({ path, backlog: values.listen_backlog });
      chmodSync(path, values.unix_socket_mode);
      this.log.info(`listening on unix:${path}`);
    }
    return port;
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

  #secure(): void {
    const { values } = this.config;
    if (values.client_tls_sslmode === 'disable') {
      this.#context = undefined;
      return;
    }
    this.#context = createSecureContext({
      cert: readFileSync(values.client_tls_cert_file), key: readFileSync(values.client_tls_key_file),
      ...(values.client_tls_ca_file === '' ? {} : { ca: readFileSync(values.client_tls_ca_file) }),
      ...(values.client_tls_ciphers === 'default' ? {} : { ciphers: values.client_tls_ciphers }),
      ...versionsOf(values.client_tls_protocols),
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
      if (this.config.values.log_stats) this.log.info(statsLine(averages));
    }, periodMs);
    this.#period.unref();
  }

  /** Reads the configuration again. False: there is none, or it has faults, and everything stays as it is. */
  reload(): boolean {
    const config = this.#options.reload?.();
    for (const problem of config?.problems ?? []) this.log.error(problem.message);
    if (config === undefined || config.problems.length > 0) return false;
    this.router.load(config);
    this.#countPeriods();
    this.#tracked = trackedParameters(config.values.track_extra_parameters);
    this.log.configure({ file: config.values.logfile, quiet: this.#options.quiet ?? false, verbose: config.values.verbose });
    try {
      this.#secure();
    } catch (error) {
      this.log.error(`TLS configuration could not be reloaded, keeping old configuration: ${words(error)}`);
    }
    return true;
  }

  /** Stops listening; ends clients at once, or waits until they have gone. Resolves when nothing is left. */
  close({ wait = false }: { readonly wait?: boolean } = {}): Promise<void> {
    this.#closing ??= this.#close(wait);
    if (!wait) this.#dropClients();
    return this.#closing;
  }

  async #close(wait: boolean): Promise<void> {
    clearInterval(this.#period);
    for (const server of this.#servers) server.close();
    if (wait && this.clients.size > 0) await new Promise<void>((resolve) => { this.#onEmpty = resolve; });
    this.#dropClients();
    await Promise.all([...this.router.pools.values()].map(({ pool }) => pool.close({ deadlineMs: 0 })));
  }

  #dropClients(): void {
    for (const { session, socket } of this.clients.values()) {
      if (session === undefined) socket.destroy();
      else session.fail({ severity: 'FATAL', code: '57P01', message: 'pgbouncer is shutting down' }, 'shutting down');
    }
    this.#onEmpty?.();
  }

  // ------------------------------------------------------------------------------------------------------- a client

  async #meet(socket: Socket, local: boolean): Promise<void> {
    const key = randomBytes(8);
    const client: Client = {
      id: this.#nextId++, socket, key, connectedAt: performance.now(), address: local ? 'unix' : socket.remoteAddress ?? 'unknown',
      port: local ? this.config.values.listen_port : socket.remotePort ?? 0,
      database: undefined, user: '', pool: undefined, session: undefined, tls: false,
    };
    this.clients.set(key.toString('hex'), client);
    // Whoever goes before it is logged in has nothing to be told.
    socket.on('error', () => undefined).once('close', () => this.#gone(client));
    const { client_login_timeout: timeoutMs } = this.config.values;
    const timer = timeoutMs === 0 ? undefined : setTimeout(() => this.#refuse(client, new Refused('client_login_timeout')), timeoutMs);
    try {
      await this.#welcome(client);
    } catch (error) {
      this.#refuse(client, error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #welcome(client: Client): Promise<void> {
    const { values } = this.config;
    const opening = await open(client.socket, { sslMode: values.client_tls_sslmode, context: this.#context });
    if (opening.kind === 'cancel') {
      await this.#cancel(opening.key);
      client.socket.end();
      return;
    }
    client.tls = opening.tls;
    const { parameters } = opening;
    client.user = parameters.get('user') ?? '';
    const name = parameters.get('database') ?? client.user;
    if (client.user === '') throw new Refused('No username supplied');
    if (name === CONSOLE) {
      await this.#console.admit(client, opening, (user) => this.#prove(client, opening, user));
      return;
    }
    // Whoever looks after the proxy must get in when nobody else can.
    if (this.clients.size > values.max_client_conn) throw new Refused('no more connections allowed (max_client_conn)', '53300');
    const database = this.router.database(name);
    client.database = database;
    const shown = await this.#prove(client, opening, client.user, database === undefined);
    if (database === undefined) throw new Refused(`no such database: ${name}`, '3D000');
    if (database.disabled) throw new Refused(`database "${name}" is disabled`, '08P01');
    this.#checkRoom(client);
    const secret = shown.password ?? this.router.secret(client.user);
    client.pool = this.router.pool(database, client.user, secret, shown.clientKeys);
    await this.#admit(client, opening, client.pool);
  }

  /** `absent`: what it asks for is not there, which only somebody who has proved who it is may be told. */
  async #prove(client: Client, opening: Startup, user: string, absent = false): Promise<Shown> {
    const { values } = this.config;
    const { socket, inbox } = opening;
    const secret = this.router.secret(user);
    const authType = values.auth_type;
    // A database that logs in as somebody fixed does not ask who its clients are beyond what auth_type says.
    if (authType === 'trust' && secret === undefined && client.database?.config.user === undefined && !absent) {
      throw new Refused(`no such user: ${user}`, '28000');
    }
    return authenticate(socket, inbox, { user, secret, certificateName: certificateName(socket) }, {
      authType, mockKey: this.#mockKey, scramIterations: values.scram_iterations, made: this.#made,
    });
  }

  async #admit(client: Client, { socket, inbox, parameters: asked }: Startup, pool: ServerPool): Promise<void> {
    const { values } = this.config;
    const wanted = this.#parametersOf(asked);
    const told = pool.welcome ?? await this.#firstWelcome(pool);
    const parameters = new Map([...told].filter(([name]) => this.#tracked.has(name.toLowerCase())));
    for (const [name, value] of wanted) parameters.set(name, value);
    const session = new ClientSession({
      socket, mode: pool.mode, parameters, tracked: this.#tracked, statementNames: this.#statementNames,
      maxPreparedStatements: pool.mode === 'session' ? 0 : values.max_prepared_statements,
      maxPacketSize: values.max_packet_size,
      limits: this.#limitsOf(client.user),
      meter: new Meter(this.statistics.of(pool.database.name, client.user)),
      borrow: (served, refused) => pool.borrow(served, refused),
      refusal: (error) => refusalOf(error),
      closed: (reason, report) => {
        if (report !== undefined) this.#failed(client, report);
        if (this.config.values.log_disconnections) this.log.info(`${nameOf(client)} closing because: ${reason} (age=${ageOf(client)}s)`);
      },
    });
    client.session = session;
    if (values.log_connections) {
      this.log.info(`${nameOf(client)} login attempt: db=${pool.database.name} user=${client.user} tls=${client.tls ? 'yes' : 'no'}`);
    }
    socket.write(Buffer.concat([
      authentication(0), ...[...told].map(([name, value]) => parameterStatus(name, parameters.get(name) ?? value)),
      backendKeyData(client.key), readyForQuery(TRANSACTION.idle),
    ]));
    const rest = inbox.release();
    if (rest.length > 0) session.take(rest);
  }

  #limitsOf(user: string): Limits {
    const { values, users } = this.config;
    const own = users.get(user);
    return {
      clientIdleMs: own?.clientIdleTimeoutMs ?? values.client_idle_timeout,
      idleTransactionMs: own?.idleTransactionTimeoutMs ?? values.idle_transaction_timeout,
      transactionMs: own?.transactionTimeoutMs ?? values.transaction_timeout,
      queryMs: own?.queryTimeoutMs ?? values.query_timeout,
      waitNotifyMs: values.query_wait_notify,
    };
  }

  /** Turns away who is one too many of a database or a user. */
  #checkRoom({ database, user }: Client): void {
    const { values, users } = this.config;
    const count = (of: (client: Client) => boolean): number => [...this.clients.values()].filter((each) => each.pool !== undefined
      && of(each)).length;
    const perDatabase = database?.config.maxDbClientConnections ?? values.max_db_client_connections;
    if (perDatabase > 0 && count((each) => each.database === database) >= perDatabase) {
      throw new Refused('client connections exceeded (max_db_client_connections)', '53300');
    }
    const perUser = users.get(user)?.maxUserClientConnections ?? values.max_user_client_connections;
    if (perUser > 0 && count((each) => each.user === user) >= perUser) {
      throw new Refused('client connections exceeded (max_user_client_connections)', '53300');
    }
  }

  /** What the client asks for in its startup packet, by the spelling of servers. */
  #parametersOf(asked: ReadonlyMap<string, string>): Map<string, string> {
    const ignored = new Set(this.config.values.ignore_startup_parameters.map((name) => name.toLowerCase()));
    const wanted = new Map<string, string>();
    for (const [name, value] of asked) {
      const spelling = this.#tracked.get(name.toLowerCase());
      if (name === 'user' || name === 'database' || ignored.has(name.toLowerCase())) continue;
      if (spelling === undefined) throw new Refused(`unsupported startup parameter: ${name}`);
      wanted.set(spelling, value);
    }
    return wanted;
  }

  /** The first client of a pool waits until a server has told its parameters. */
  #firstWelcome(pool: ServerPool): Promise<ReadonlyMap<string, string>> {
    return new Promise((resolve, reject) => {
      pool.borrow(
        (lease: Lease<ServerConnection>) => {
          const told = pool.welcome ?? new Map();
          lease.release();
          resolve(told);
        },
        (error) => {
          const { message, code } = refusalOf(error);
          reject(new Refused(message, code));
        },
      );
    });
  }

  async #cancel(key: Buffer): Promise<void> {
    const target = this.clients.get(key.toString('hex'));
    const server = target?.session?.server;
    // A cancel for nobody, or for somebody who has nothing running, is dropped: it would hit whoever is next.
    if (server === undefined || server.requests.owed === 0 || server.cancelKey.length === 0) return;
    server.cancels++;
    try {
      const timeoutMs = this.config.values.cancel_wait_timeout || DEFAULT_CANCEL_TIMEOUT_MS;
      const socket = await dial(server.address, AbortSignal.timeout(timeoutMs));
      await new Promise<void>((resolve) => {
        // The server closes it when the signal has been sent; only then it can hit nobody else.
        socket.once('close', resolve).on('error', () => undefined).resume();
        socket.write(cancelRequest(server.cancelKey));
      });
    } catch (error) {
      this.log.warn(`cancel request failed: ${words(error)}`);
    } finally {
      server.cancels--;
      if (server.cancels === 0) {
        const { onQuiet } = server;
        server.onQuiet = undefined;
        onQuiet?.();
      }
    }
  }

  #refuse(client: Client, error: unknown): void {
    const { socket } = client;
    if (error instanceof ClosedError || socket.destroyed) {
      socket.destroy();
      return;
    }
    const report: Report = error instanceof Refused ? error.report : { severity: 'FATAL', code: '08P01', message: words(error) };
    this.#failed(client, report);
    if (this.config.values.log_pooler_errors) this.log.warn(`${nameOf(client)} pooler error: ${report.message}`);
    const through = client.session === undefined ? socket : undefined;
    through?.end(errorResponse(report));
    socket.destroySoon();
  }

  /** Counts what a client is told by the proxy and not by a server. */
  #failed({ database, pool, user }: Client, { message }: Report): void {
    this.statistics.failed(causeOf(message), pool === undefined || database === undefined ? undefined
      : this.statistics.of(database.config.name, user));
  }

  #gone(client: Client): void {
    this.clients.delete(client.key.toString('hex'));
    if (this.clients.size === 0) this.#onEmpty?.();
  }
}

function certificateName(socket: Socket): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const name: unknown = socket.getPeerCertificate().subject?.CN;
  return typeof name === 'string' ? name : undefined;
}

/** What a client is told that gets no server connection. */
function refusalOf(error: unknown): Report {
  const cause = error instanceof AcquireError ? error.cause : undefined;
  if (cause instanceof ServerLoginError) {
    return { severity: 'FATAL', code: cause.code === '' ? '08P01' : cause.code, message: cause.message };
  }
  if (error instanceof AcquireTimeoutError) return { severity: 'FATAL', code: '08P01', message: 'query_wait_timeout' };
  if (error instanceof CreateError) {
    return { severity: 'FATAL', code: '08P01', message: `server login has been failing, last error: ${words(cause)}` };
  }
  return { severity: 'FATAL', code: '08P01', message: words(error) };
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function nameOf({ id, database, user, address, port }: Client): string {
  return `C-${id.toString(16)}: ${database?.config.name ?? '(nodb)'}/${user === '' ? '(nouser)' : user}@${address}:${port}`;
}

function ageOf({ connectedAt }: Client): number {
  return Math.round((performance.now() - connectedAt) / 1000);
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
