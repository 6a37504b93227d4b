// Makes a connection that comes back fit for the next borrower, or says that it is not.
//
// The common case sends nothing and waits for nothing: the last answer said that there is no transaction.

import { send } from './connect.ts';
import { forgetStatements, isPaused, isServerError } from './driver.ts';
import type { Session } from './session.ts';
import type { MysqlReset } from './types.ts';

/** This server has no COM_RESET_CONNECTION (MariaDB before 10.2, poolers). */
const UNKNOWN_COMMAND = 1047;

/** Returns nothing when it is clean already; rejects or throws when it must not be used again. */
export function resetSession(
  session: Session, mode: MysqlReset, context: { readonly signal: AbortSignal },
): Promise<void> | undefined {
  if (session.lost) throw session.cause;
  session.restoreListeners();
  session.readOnlyWanted = false;
  const dirty = mode === 'reset' ? session.writes !== session.cleanAt : mode === 'rollback' && !session.atHome;
  const asLent = !session.isStranger && !isPaused(session.driver);
  if (!session.busy && !dirty && session.readOnlySeen === undefined && asLent) {
    session.rest();
    return undefined;
  }
  context.signal.addEventListener('abort', () => { session.silent = true; }, { once: true });
  return resetSlowly(session, mode);
}

async function resetSlowly(session: Session, mode: MysqlReset): Promise<void> {
  // mysql2 tells of an error before it is through with the statement. That, and nothing else, is over in a moment.
  if (session.busy) await Promise.resolve();
  if (session.busy) throw new Error('it was given back while a statement was running, or queued');
  if (session.isStranger) throw new Error('a borrower changed its user, or what changes with it');
  if (isPaused(session.driver)) throw new Error('it was given back while its reading was paused');
  if (mode === 'reset') await resetAll(session);
  else if (mode === 'rollback' && !session.atHome) await goHome(session);
  if (mode !== 'none' && session.readOnlySeen !== undefined) await judgeReadOnly(session);
  session.readOnlySeen = undefined;
  session.rest();
}

async function goHome(session: Session): Promise<void> {
  const { driver } = session;
  if (session.uncertain || session.inTransaction) await send(driver, 'ROLLBACK');
  const { homecoming } = session;
  if (homecoming !== undefined) await send(driver, homecoming);
  if (!session.atHome) throw new Error('ROLLBACK left the transaction open');
}

/** COM_RESET_CONNECTION, which leaves the default database as it is: after a USE, and for servers without it, COM_CHANGE_USER. */
async function resetAll(session: Session): Promise<void> {
  const { driver } = session;
  forgetStatements(driver);
  const reset = driver.reset === undefined || session.schemaLeft ? undefined : (done: Done): void => driver.reset?.(done);
  const changeUser = (done: Done): void => driver.changeUser({}, done);
  try {
    await answered(reset ?? changeUser);
  } catch (error) {
    if (reset === undefined || !isServerError(error) || error.errno !== UNKNOWN_COMMAND) throw error;
    await answered(changeUser);
  }
  if (session.variables !== undefined) await send(driver, session.variables);
  session.cleanAt = session.writes;
  session.schemaLeft = false;
}

type Done = (error?: Error | null) => void;

function answered(command: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    command((error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

/**
 * A write was refused as read-only. Was it the transaction, the session, or the server? Only the last means failover: the server has become
 * a replica, or somebody switched its writes off. (1290 has other reasons, too, such as `--secure-file-priv`.) Call it outside of a
 * transaction. Rejects when this session must not be lent again.
 */
export async function judgeReadOnly(session: Session): Promise<void> {
  const errno = session.readOnlySeen ?? 0;
  session.readOnlySeen = undefined;
  try {
    if ((await send(session.driver, GLOBALS)).some(isOn)) session.owner.failover(session, errno);
    // A borrower set it and did not take it back; the next one would meet it.
    else if (!session.readOnlyAtHome && await isReadOnly(session)) throw new Error('a borrower left the session read-only');
  } catch (error) {
    if (!isServerError(error)) throw error; // else it is a server of another make, which cannot say
  }
}

/** Does the session, and not only the server, refuse writes? */
export async function isReadOnly(session: Session): Promise<boolean> {
  return (await send(session.driver, OWN)).some(isOn);
}

/** `innodb_read_only` is how a reader of Aurora says it; the last two are what new sessions begin with. */
const GLOBALS = 'SHOW GLOBAL VARIABLES WHERE Variable_name IN '
  + "('read_only', 'super_read_only', 'innodb_read_only', 'transaction_read_only', 'tx_read_only')";
/** Its name in MySQL, and in MariaDB up to 11.0. */
const OWN = "SHOW SESSION VARIABLES WHERE Variable_name IN ('transaction_read_only', 'tx_read_only')";

function isOn({ Value }: Record<string, unknown>): boolean {
  return Value !== 'OFF' && Value !== '0';
}
