// Connections of node-postgres as resources of a pool.

import type { Factory } from '../../index.ts';
import { requestCancel } from './cancel.ts';
import { classify } from './classify.ts';
import { open } from './connect.ts';
import { DeadMan, type DeadManTimeouts } from './dead-man.ts';
import { takesDiscardAhead } from './discard.ts';
import { inside, partsOf } from './driver.ts';
import { factorySettings, type FactorySettings } from './options.ts';
import { resetSession } from './reset.ts';
import { Session, sessionOf, type SessionOwner } from './session.ts';
import { PreparePolicy } from './statements.ts';
import type { PgClient, PgFactoryOptions } from './types.ts';
import { tell } from '../common/hooks.ts';
import { orAborted } from '../common/signals.ts';
import { Sweep, UNREFERENCE_AFTER_MS } from '../common/sweep.ts';

/**
 * What the last borrower left behind goes with the next one's first statement, which may be long in coming. Until then its advisory locks
 * would stand in other people's way; so after a while the cleaning goes alone.
 */
const TIDY_AFTER_MS = 1_000;
/** How long a cancel request on behalf of a connection that is closed anyway may take. */
const LAST_CANCEL_MS = 2_000;
/** Time for the server to answer the one that was hit. */
const BETWEEN_CANCELS_MS = 5;

/** A factory together with what a {@link PgPool} reaches it by. */
export interface PgFactory<C extends PgClient> {
  /** Whether statements can be sent past the client. */
  readonly ownStatements: boolean;
  readonly factory: Factory<C>;
  readonly owner: SessionOwner;
}

/**
 * A factory of PostgreSQL connections for a plain {@link Pool}. {@link createPgPool} makes such a pool with what else belongs to it.
 * Throws {@link InvalidOptionError}.
 */
export function pgFactory<C extends PgClient = PgClient>(options: string | PgFactoryOptions<C>): Factory<C> {
  return makeFactory(typeof options === 'string' ? { connectionString: options } : options, 'pg').factory;
}

/** `deadMan`: the timeouts as the pool has settled them. */
export function makeFactory<C extends PgClient>(
  options: PgFactoryOptions<C>, name: string, prepared = 0, deadMan: DeadManTimeouts = options,
): PgFactory<C> {
  const settings = factorySettings(options, name);
  const parts = partsOf(settings.Client);
  const unreference = new Sweep<Session>(UNREFERENCE_AFTER_MS, (session) => session.unreference());
  const tidy = new Sweep<Session>(TIDY_AFTER_MS, (session) => session.tidy());
  const owner: SessionOwner = {
    pool: name,
    prepare: new PreparePolicy(prepared, () => owner.pool),
    failover: (session, code) => tell(settings.onFailover, { client: session.client as unknown as C, code }, 'onFailover', owner.pool),
    rests(session) {
      if (session.referenced) unreference.add(session);
      if (session.discardDue) tidy.add(session);
    },
  };
  const discardsAhead = new WeakSet<Session>();
  const sessions = new DeadMan(deadMan, options, () => owner.pool);

  const factory: Factory<C> = {
    async create({ signal }) {
      const connectOptions = await orAborted(settings.connectOptions(), signal);
      const { client, serverVersion } = await sessions.start((startup) => open(settings.Client, connectOptions, startup, signal), signal);
      const session = new Session(inside(client), owner, connectOptions.stream, parts);
      if (takesDiscardAhead(serverVersion)) discardsAhead.add(session);
      await prepare(settings, client, session, signal);
      session.keepListeners();
      session.rest();
      return client;
    },

    destroy(client, { reason, signal }) {
      const session = sessionOf(client);
      // These did not answer, or are known to be dead: there is nothing to wait for.
      const dead = session.silent || reason === 'invalid' || reason === 'stale' || reason === 'broken';
      return close(session, dead, signal);
    },

    validate: (client) => ping(sessionOf(client)),

    reset(client, context) {
      const session = sessionOf(client);
      return resetSession(session, settings.reset, discardsAhead.has(session), context);
    },

    isBroken: (client) => !sessionOf(client).usable,

    onLost(client, listener) {
      const session = sessionOf(client);
      const own = (cause: unknown): void => listener(cause);
      session.lossListeners.add(own);
      if (session.lost) own(session.cause);
      return () => {
        session.lossListeners.delete(own);
      };
    },

    classify,
  };
  return { factory, owner, ownStatements: parts !== undefined };
}

/** By the cheapest statement there is: no parsing, no plan, no rows. */
function ping(session: Session): Promise<boolean> {
  return new Promise((resolve) => {
    session.client.query('', (error) => {
      session.rest();
      resolve(!error);
    });
  });
}

/** The caller's own hook; on failure the connection goes. */
async function prepare<C extends PgClient>(
  { onConnect }: FactorySettings<C>, client: C, session: Session, signal: AbortSignal,
): Promise<void> {
  if (onConnect === undefined) return;
  try {
    await orAborted(onConnect(client), signal);
    if (session.lost) throw session.cause;
  } catch (error) {
    void close(session, signal.aborted, undefined);
    throw error;
  }
}

/**
 * Ends a connection and resolves when it is gone. The goodbye is followed by waiting for the server to close, which it does when its
 * process ends: until then the connection counts there, and a successor might be one too many. A statement that runs is cancelled
 * first, for otherwise the server would finish it before it reads the goodbye.
 */
function close(session: Session, dead: boolean, signal: AbortSignal | undefined): Promise<void> {
  const { client } = session;
  const { stream } = client.connection;
  session.discardDue = false;
  if (stream.closed || (stream.destroyed && !stream.writable && session.lost)) return Promise.resolve();
  return new Promise((resolve) => {
    stream.once('close', () => resolve());
    signal?.addEventListener('abort', () => stream.destroy(), { once: true });
    if (!session.lost && stream.writable) {
      if (!dead && session.busy) void cancelAll(session);
      // Not client.end(): with a statement running it destroys the socket at once and leaves the server to find out.
      client.connection.end();
    }
    if (dead || session.lost || !stream.writable) stream.destroy();
  });
}

/**
 * One cancel ends one statement. Where several are on their way the server would run each before it reads of the end, and the end of the
 * connection would wait for all.
 */
async function cancelAll(session: Session): Promise<void> {
  while (session.busy && !session.client.connection.stream.closed) {
    if (await requestCancel(session, LAST_CANCEL_MS) !== 'closed') return;
    await new Promise<void>((resolve) => { setTimeout(resolve, BETWEEN_CANCELS_MS).unref(); });
  }
}
