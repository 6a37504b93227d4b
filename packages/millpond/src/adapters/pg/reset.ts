// Makes a connection that comes back fit for the next borrower, or says that it is not.
//
// The common case sends nothing and waits for nothing: the last ReadyForQuery said that there is no transaction, so there is nothing to do,
// and with 'discard' the cleaning is only noted, to go out with the next borrower's first statement.

import { isBusy, type TransactionStatus } from './driver.ts';
import type { Session } from './session.ts';
import type { PgReset } from './types.ts';

/** Returns nothing when it is clean already; rejects or throws when it must not be used again. */
export function resetSession(session: Session, mode: PgReset, discardAhead: boolean): Promise<void> | undefined {
  const { client } = session;
  if (session.lost) throw session.cause;
  if (isBusy(client)) throw new Error('it was given back while a statement was running, or queued');
  session.restoreListeners();
  session.readOnlyWanted = false;
  if (client.readyForQuery === true && !session.readOnlySeen && (mode === 'none' || statusOf(session) === 'I') && (mode !== 'discard' || discardAhead)) {
    if (mode === 'discard') session.armDiscard();
    session.rest();
    return undefined;
  }
  return resetSlowly(session, mode, discardAhead);
}

async function resetSlowly(session: Session, mode: PgReset, discardAhead: boolean): Promise<void> {
  // After an error the statement is over for its caller before the server is through with it.
  if (session.client.readyForQuery !== true) await whenReady(session);
  if (mode !== 'none') {
    if (statusOf(session) !== 'I') await send(session, 'ROLLBACK');
    if (statusOf(session) !== 'I') throw new Error('ROLLBACK left the transaction open');
    if (session.readOnlySeen) await judgeReadOnly(session);
  }
  if (mode === 'discard') {
    if (discardAhead) session.armDiscard();
    else await send(session, 'DISCARD ALL');
  }
  session.rest();
}

/**
 * A write was refused as read-only (25006). Was it the transaction, the session, or the server? Only the last means failover: the server
 * has become a standby, or somebody switched its writes off. Call it outside of a transaction. Rejects when this session must not be
 * lent again.
 */
export async function judgeReadOnly(session: Session): Promise<void> {
  session.readOnlySeen = false;
  const [row] = await send(session, JUDGE) as [{ readonly standby: boolean; readonly setting: string; readonly source: string } | undefined];
  if (row === undefined) return;
  if (row.standby || (row.setting === 'on' && row.source !== 'session' && row.source !== 'client')) session.owner.failover(session, '25006');
  // A borrower set it and did not take it back; the next one would meet it.
  else if (row.setting === 'on' && row.source === 'session') throw new Error('a borrower left default_transaction_read_only on');
}

const JUDGE = "SELECT pg_is_in_recovery() AS standby, setting, source FROM pg_settings WHERE name = 'default_transaction_read_only'";

/** `'I'` no transaction, `'T'` in one, `'E'` in a failed one. */
export function statusOf(session: Session): TransactionStatus {
  return session.client.getTransactionStatus?.() ?? session.status;
}

function send(session: Session, sql: string): Promise<readonly unknown[]> {
  return new Promise((resolve, reject) => {
    session.client.query(sql, (error, result) => {
      if (error) reject(error);
      else resolve(result.rows);
    });
  });
}

/** The ReadyForQuery after an error. */
function whenReady(session: Session): Promise<void> {
  const { client } = session;
  return new Promise((resolve, reject) => {
    const onReady = (): void => {
      client.removeListener('end', onEnd);
      resolve();
    };
    const onEnd = (): void => {
      client.connection.removeListener('readyForQuery', onReady);
      reject(session.cause ?? new Error('the connection was closed'));
    };
    client.connection.once('readyForQuery', onReady);
    client.once('end', onEnd);
  });
}
