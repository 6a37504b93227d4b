// Asks a server for the secret of a user who is not in auth_file. The query runs as auth_user, over the pool that this user has in the
// database that auth_dbname names, or in the one that the client wants. Nothing is remembered: a password that was changed is good from the
// next login on. Logins of one user at the same time share a query.

import type { Log } from '../log.ts';
import type { Database, Router } from '../routing/router.ts';
import { ask, QueryError, type Row } from '../server/ask.ts';
import type { Loan, ServerPool } from '../server/pool.ts';
import { TRANSACTION } from '../wire/pg/types.ts';
import type { Report } from '../wire/pg/write.ts';
import { Refused } from './refused.ts';

export interface Found {
  /** As the server spells it. */
  readonly user: string;
  /** Empty: there is none, or it is not valid any more; no password fits. */
  readonly secret: string;
}

export interface AuthQueryInit {
  readonly router: Router;
  readonly log: Log;
  /** What to tell a client that gets no server connection. */
  readonly refusal: (error: unknown) => Report;
}

/** Who wants to know. */
export interface Question {
  readonly user: string;
  /** Undefined: the console. */
  readonly database: Database | undefined;
  /** For the log. */
  readonly client: string;
}

const CONSOLE = 'pgbouncer';
/** For a query that does not come back, where clients may take as long as they like to log in. */
const DEFAULT_TIMEOUT_MS = 60_000;

export class AuthQuery {
  readonly #init: AuthQueryInit;
  readonly #running = new Map<string, Promise<Found | undefined>>();

  constructor(init: AuthQueryInit) {
    this.#init = init;
  }

  /** The user as whom the query runs; undefined: none is to be run. */
  userFor(database: Database | undefined): string | undefined {
    const user = database?.config.authUser ?? this.#init.router.config.values.auth_user;
    return user === '' ? undefined : user;
  }

  /** The secret of a user; undefined if there is no such user. Rejects with {@link Refused}. */
  find(question: Question, authUser: string): Promise<Found | undefined> {
    const { user, database } = question;
    const { values } = this.#init.router.config;
    const at = this.#databaseFor(question);
    const sql = database?.config.authQuery ?? values.auth_query;
    const key = JSON.stringify([at.config.name, authUser, sql, user]);
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const found = this.#run(question, this.#init.router.authPool(at, authUser), sql).finally(() => this.#running.delete(key));
    this.#running.set(key, found);
    return found;
  }

  #databaseFor({ database, client }: Question): Database {
    const { router, log } = this.#init;
    const named = database?.config.authDbname ?? router.config.values.auth_dbname;
    const name = named === '' ? database?.config.name ?? CONSOLE : named;
    if (name === CONSOLE) {
      log.error(`${client} cannot use the reserved "${CONSOLE}" database as an auth_dbname`);
      throw new Refused('bouncer config error');
    }
    const found = router.database(name);
    if (found === undefined) {
      log.error(`${client} authentication database "${name}" is not configured.`);
      throw new Refused('bouncer config error');
    }
    if (found.disabled) throw new Refused(`authentication database "${name}" is disabled`);
    return found;
  }

  async #run({ user, client }: Question, pool: ServerPool, sql: string): Promise<Found | undefined> {
    const { log, router } = this.#init;
    const lease = await this.#borrow(pool);
    let rows: readonly Row[];
    try {
      rows = await ask(lease.resource, sql, user, router.config.values.client_login_timeout || DEFAULT_TIMEOUT_MS);
    } catch (error) {
      // After an error of the query the connection is as good as before.
      if (error instanceof QueryError) pool.giveBack(lease);
      else lease.destroy(error instanceof Error ? error : new Error(String(error)));
      log.error(`${client} error in auth_query: ${error instanceof Error ? error.message : String(error)}`);
      throw new Refused('bouncer config error');
    }
    if (lease.resource.status === TRANSACTION.idle) pool.giveBack(lease);
    else lease.destroy(new Error('auth_query left a transaction open'));
    const row = rows.at(-1);
    if (row === undefined) return undefined;
    if (row.length !== 2) {
      log.error(`${client} expected 2 columns from auth_query, not ${row.length}`);
      throw new Refused('bouncer config error');
    }
    const [name, secret] = row;
    // A function that looks for somebody in vain gives a row of nulls.
    return typeof name === 'string' ? { user: name, secret: secret ?? '' } : undefined;
  }

  #borrow(pool: ServerPool): Promise<Loan> {
    return new Promise((resolve, reject) => {
      pool.borrow({
        served: resolve,
        refused: (error) => {
          const { message, code } = this.#init.refusal(error);
          reject(new Refused(message, code));
        },
      });
    });
  }
}
