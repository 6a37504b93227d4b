// Connections of mysql2 as resources of a pool.

import { connect } from 'node:net';
import type { Factory } from '../../index.ts';
import { classify } from './classify.ts';
import { open, send } from './connect.ts';
import { DeadMan, type DeadManTimeouts } from './dead-man.ts';
import { isClosing, isPaused, versionOf } from './driver.ts';
import { identityOf, Messenger } from './messenger.ts';
import { factorySettings, type FactorySettings } from './options.ts';
import { isReadOnly, resetSession } from './reset.ts';
import { Session, sessionOf, type SessionOwner } from './session.ts';
import type { MysqlConnection, MysqlConnectOptions, MysqlFactoryOptions } from './types.ts';
import { tell } from '../common/hooks.ts';
import { orAborted } from '../common/signals.ts';
import { Sweep, UNREFERENCE_AFTER_MS } from '../common/sweep.ts';

/** How long a KILL on behalf of a connection that is closed anyway may take. */
const LAST_KILL_MS = 2_000;

/** A factory together with what a {@link MysqlPool} reaches it by. */
export interface MysqlFactory<C extends MysqlConnection> {
  readonly factory: Factory<C>;
  readonly owner: SessionOwner;
  readonly messenger: Messenger;
}

/**
 * A factory of MySQL and MariaDB connections for a plain {@link Pool}. {@link createMysqlPool} makes such a pool with what else belongs to
 * it. Throws {@link InvalidOptionError}.
 */
export function mysqlFactory<C extends MysqlConnection = MysqlConnection>(options: string | MysqlFactoryOptions<C>): Factory<C> {
  return makeFactory(typeof options === 'string' ? { uri: options } : options, 'mysql').factory;
}

/** `deadMan`: the timeouts as the pool has settled them. */
export function makeFactory<C extends MysqlConnection>(
  options: MysqlFactoryOptions<C>, name: string, deadMan: DeadManTimeouts = options,
): MysqlFactory<C> {
  const settings = factorySettings(options, name);
  const unreference = new Sweep<Session>(UNREFERENCE_AFTER_MS, (session) => session.unreference());
  const owner: SessionOwner = {
    pool: name,
    failover: (session, errno) => tell(settings.onFailover, { connection: session.lent as C, errno }, 'onFailover', owner.pool),
    rests: (session) => unreference.add(session),
  };
  const timeouts = new DeadMan(deadMan, options, () => owner.pool);
  const messenger = new Messenger(async (session, signal) =>
    open(settings.driver, toSameServer(session, await orAborted(settings.connectOptions(), signal)), signal));

  const factory: Factory<C> = {
    async create({ signal }) {
      const connectOptions = await orAborted(settings.connectOptions(), signal);
      let session: Session | undefined;
      await open(settings.driver, connectOptions, signal, (driver) => { session = new Session(driver, owner); });
      const made = session!;
      made.connected();
      await prepare(settings, timeouts, made, signal);
      made.settle();
      made.rest();
      return made.lent as C;
    },

    destroy(lent, { reason, signal }) {
      const session = sessionOf(lent);
      // These did not answer, or are known to be dead: there is nothing to wait for.
      const dead = session.silent || reason === 'invalid' || reason === 'stale' || reason === 'broken';
      return close(session, messenger, dead, signal);
    },

    validate(lent) {
      const session = sessionOf(lent);
      return new Promise<boolean>((resolve) => {
        session.driver.ping((error) => {
          session.rest();
          resolve(!error);
        });
      });
    },

    reset: (lent, context) => resetSession(sessionOf(lent), settings.reset, context),

    isBroken: (lent) => !sessionOf(lent).usable,

    onLost(lent, listener) {
      const session = sessionOf(lent);
      const own = (cause: unknown): void => listener(cause);
      session.lossListeners.add(own);
      if (session.lost) own(session.cause);
      return () => {
        session.lossListeners.delete(own);
      };
    },

    classify,
  };
  return { factory, owner, messenger };
}

/** What belongs to a new connection before it is lent; on failure it goes. */
async function prepare<C extends MysqlConnection>(
  { onConnect }: FactorySettings<C>, timeouts: DeadMan, session: Session, signal: AbortSignal,
): Promise<void> {
  const stop = (): void => { session.driver.stream.destroy(); };
  signal.addEventListener('abort', stop, { once: true });
  try {
    session.identity = await orAborted(identityOf(session.driver), signal);
    session.variables = await orAborted(setVariables(session, timeouts), signal);
    if (onConnect !== undefined) {
      await orAborted(onConnect(session.lent as C), signal);
      session.readOnlyAtHome = await orAborted(isReadOnly(session), signal);
    }
    if (session.lost) throw session.cause;
  } catch (error) {
    session.driver.stream.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** What was set in the session; undefined: nothing. */
async function setVariables({ driver }: Session, timeouts: DeadMan): Promise<string | undefined> {
  const statement = timeouts.statement(versionOf(driver));
  if (statement === undefined) return undefined;
  try {
    await send(driver, statement);
    return statement;
  } catch (error) {
    timeouts.failed(error);
    return undefined;
  }
}

/** The address that the session is really connected to: behind one name there may be several servers. The certificate is for the name. */
function toSameServer({ driver }: Session, options: MysqlConnectOptions): MysqlConnectOptions {
  const { remoteAddress: host, remotePort: port } = driver.stream;
  if (options.stream !== undefined || options.socketPath !== undefined || host === undefined || port === undefined) return options;
  return { ...options, stream: () => connect({ host, port }) };
}

/**
 * Ends a connection and resolves when it is gone. The goodbye is followed by waiting for the server to close: until then the connection
 * counts there, and a successor might be one too many. A statement that runs would go on to its end, read by nobody, and the goodbye would
 * be read after it; so the whole connection is killed.
 */
function close(session: Session, messenger: Messenger, dead: boolean, signal: AbortSignal | undefined): Promise<void> {
  const { driver } = session;
  const { stream } = driver;
  if (stream.closed || (stream.destroyed && !stream.writable && session.lost)) return Promise.resolve();
  return new Promise((resolve) => {
    stream.once('close', () => resolve());
    signal?.addEventListener('abort', () => stream.destroy(), { once: true });
    const { busy } = session;
    // Paused by a borrower: the goodbye would wait for what nobody reads.
    if (dead || session.lost || !stream.writable || (isPaused(driver) && !busy)) {
      stream.destroy();
      return;
    }
    if (!isClosing(driver)) driver.end();
    if (!busy) return;
    void messenger.kill(session, 'CONNECTION', LAST_KILL_MS, () => !stream.closed).then((outcome) => {
      // Not read any more (a stream that is paused), or not to be killed: the server finds out when it writes.
      if (outcome !== 'done' || isPaused(driver)) stream.destroy();
    });
  });
}
