// From a client that has proved who it is to a session: whether there is room for it, what it asks for, and what it is welcomed with.

import { AcquireError, CreateError } from 'millpond';
import { cancelAt } from '../cancels.ts';
import type { Config } from '../config/config.ts';
import type { HookRunner } from '../hooks.ts';
import type { Log } from '../log.ts';
import type { Router } from '../routing/router.ts';
import { ServerLoginError } from '../server/login.ts';
import { trackedParameters } from '../server/parameters.ts';
import { PoolRefusal, type Borrower, type Loan, type ServerPool } from '../server/pool.ts';
import { recover } from '../server/recovery.ts';
import { Meter } from '../stats/counts.ts';
import type { Statistics } from '../stats/statistics.ts';
import { TRANSACTION } from '../wire/pg/types.ts';
import { authentication, backendKeyData, parameterStatus, readyForQuery, type Report } from '../wire/pg/write.ts';
import type { Client } from './client.ts';
import type { Limits } from './deadlines.ts';
import type { Startup } from './login.ts';
import { Refused } from './refused.ts';
import { ClientSession, type Live } from './session.ts';
import { readWishes, type Replication } from './startup.ts';
import { StatementNames } from './statements.ts';

export interface AdmissionInit {
  readonly router: Router;
  readonly log: Log;
  readonly statistics: Statistics;
  readonly hooks: HookRunner;
  /** Why nobody gets a server connection any more, while the proxy is going. */
  readonly leaving: () => string | undefined;
  /** What clients of this pool are told by other workers, if one of those knows. */
  readonly welcomeElsewhere: ((pool: ServerPool) => Promise<ReadonlyMap<string, string> | undefined>) | undefined;
  /** Called once for each session, when it is over; with what the client was told, if it was. */
  readonly closed: (client: Client, reason: string, told: Report | undefined) => void;
}

/** How long what a client has left behind may take to come to its end. */
const RECOVERY_MS = 5_000;

export class Admission {
  readonly #init: AdmissionInit;
  readonly #statementNames = new StatementNames();
  readonly #live: Live = { maxPreparedStatements: 0, fastClose: false, pins: false };
  /** By user; those of clients that are connected change with the configuration. */
  readonly #limits = new Map<string, Limits>();
  #tracked: ReadonlyMap<string, string> = new Map();

  constructor(init: AdmissionInit) {
    this.#init = init;
    this.configure(init.router.config);
  }

  configure(config: Config): void {
    const { values } = config;
    this.#tracked = trackedParameters(values.track_extra_parameters);
    this.#live.maxPreparedStatements = values.max_prepared_statements;
    this.#live.fastClose = values.server_fast_close;
    this.#live.pins = values.session_features === 'pin';
    for (const [user, limits] of this.#limits) Object.assign(limits, limitsOf(user, config));
  }

  /** Makes a session of it. Rejects with {@link Refused}. */
  async admit(client: Client, { socket, inbox, parameters: asked }: Startup, pool: ServerPool): Promise<void> {
    const { values } = this.#init.router.config;
    const wishes = readWishes(asked, {
      tracked: this.#tracked, ignored: values.ignore_startup_parameters,
      addedHost: values.application_name_add_host ? `${client.address}:${client.port}` : undefined,
    });
    client.pool = pool;
    const loan = wishes.replication === undefined ? undefined : await this.#dedicated(client, pool, wishes.replication);
    const told = loan?.resource.parameters ?? pool.welcome ?? await this.#elsewhere(pool) ?? await this.#firstWelcome(client, pool);
    const parameters = new Map([...told].filter(([name]) => this.#tracked.has(name.toLowerCase())));
    for (const [name, value] of wishes.parameters) parameters.set(name, value);
    if (client.socket.destroyed) {
      loan?.destroy(new Error('the client has gone'));
      return;
    }
    const session = this.#session(client, { socket, parameters });
    client.session = session;
    pool.enter();
    socket.write(Buffer.concat([
      authentication(0), ...[...told].map(([name, value]) => parameterStatus(name, parameters.get(name) ?? value)),
      backendKeyData(client.key), readyForQuery(TRANSACTION.idle),
    ]));
    if (loan !== undefined) session.begin(loan);
    const rest = inbox.release();
    if (rest.length > 0) session.take(rest);
  }

  #session(client: Client, { socket, parameters }: Pick<Startup, 'socket'> & { readonly parameters: Map<string, string> }): ClientSession {
    const { log, statistics, hooks, closed } = this.#init;
    const { values } = this.#init.router.config;
    const pool = client.pool!;
    return new ClientSession({
      socket, target: client, parameters, tracked: this.#tracked, statementNames: this.#statementNames, live: this.#live,
      maxPacketSize: values.max_packet_size,
      limits: this.#limitsOf(client.user),
      meter: new Meter(statistics.of(pool.database.name, pool.credentials.user), hooks.timings(pool)),
      borrow: (session) => this.#borrow(client, session),
      giveBack: (loan) => pool.giveBack(loan),
      refusal: (error) => this.#refusal(client, error),
      recover: (server) => recover(server, {
        timeoutMs: RECOVERY_MS, cancel: (target) => cancelAt(target, { timeoutMs: RECOVERY_MS, log }),
      }),
      detected: (feature) => {
        log.warn(`${client.name} ${feature} lasts longer than its transaction, and so does not work in this pool mode`);
      },
      debug: (words) => log.debug(`${client.name} ${words}`),
      warn: (words) => log.warn(`${client.name} ${words}`),
      closed: (reason, told) => {
        client.pool?.leave();
        closed(client, reason, told);
      },
    });
  }

  /** The client's pool may have been replaced since it came, by a reload. */
  #borrow(client: Client, session: Borrower): void {
    const leaving = this.#init.leaving();
    const pool = client.pool!;
    if (leaving !== undefined) session.refused(new PoolRefusal(leaving));
    else if (pool.isOver && !client.database!.removed) this.#moved(client, pool).borrow(session);
    else pool.borrow(session);
  }

  /** Closed while the client was in line: it goes on waiting, at the other one. */
  #refusal(client: Client, error: unknown): Report | undefined {
    return client.pool!.isOver && !client.database!.removed && this.#init.leaving() === undefined ? undefined : refusalOf(error);
  }

  #moved(client: Client, from: ServerPool): ServerPool {
    const { secret, clientKeys } = from.credentials;
    const pool = this.#init.router.pool(client.database!, client.user, secret, clientKeys);
    from.leave();
    pool.enter();
    client.pool = pool;
    return pool;
  }

  #limitsOf(user: string): Limits {
    const known = this.#limits.get(user) ?? limitsOf(user, this.#init.router.config);
    this.#limits.set(user, known);
    return known;
  }

  /** Another worker may know it, and may have lent all connections for long. */
  async #elsewhere(pool: ServerPool): Promise<ReadonlyMap<string, string> | undefined> {
    const known = await this.#init.welcomeElsewhere?.(pool);
    pool.welcome ??= known;
    return pool.welcome;
  }

  /** The first client of a pool waits until a server has told its parameters. */
  #firstWelcome(client: Client, pool: ServerPool): Promise<ReadonlyMap<string, string>> {
    const { queryMs } = this.#limitsOf(client.user);
    return new Promise((resolve, reject) => {
      const timer = queryMs === 0 ? undefined : setTimeout(() => pool.leaveLine(borrower, new PoolRefusal('query_timeout')), queryMs);
      const borrower: Borrower = {
        served: (loan) => {
          clearTimeout(timer);
          const { parameters } = loan.resource;
          loan.release();
          resolve(pool.welcome ?? parameters);
        },
        refused: (error) => {
          clearTimeout(timer);
          reject(asRefused(error));
        },
      };
      pool.borrow(borrower, false);
    });
  }

  async #dedicated(client: Client, pool: ServerPool, { parameters }: Replication): Promise<Loan> {
    const gone = new AbortController();
    const abort = (): void => gone.abort();
    client.socket.once('close', abort);
    try {
      return await pool.dedicated(parameters, gone.signal);
    } catch (error) {
      throw asRefused(error);
    } finally {
      client.socket.off('close', abort);
    }
  }
}

function limitsOf(user: string, { values, users }: Config): Limits {
  const own = users.get(user);
  return {
    clientIdleMs: own?.clientIdleTimeoutMs ?? values.client_idle_timeout,
    idleTransactionMs: own?.idleTransactionTimeoutMs ?? values.idle_transaction_timeout,
    transactionMs: own?.transactionTimeoutMs ?? values.transaction_timeout,
    queryMs: own?.queryTimeoutMs ?? values.query_timeout,
    waitNotifyMs: values.query_wait_notify,
  };
}

function asRefused(error: unknown): Refused {
  const { message, code } = refusalOf(error);
  return new Refused(message, code);
}

/** What a client is told that gets no server connection. */
export function refusalOf(error: unknown): Report {
  const cause = error instanceof AcquireError ? error.cause : error;
  if (cause instanceof ServerLoginError) {
    return { severity: 'FATAL', code: cause.code === '' ? '08P01' : cause.code, message: cause.message };
  }
  if (error instanceof CreateError) {
    return { severity: 'FATAL', code: '08P01', message: `server login has been failing, last error: ${words(cause)}` };
  }
  return { severity: 'FATAL', code: error instanceof PoolRefusal ? error.code : '08P01', message: words(error) };
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
