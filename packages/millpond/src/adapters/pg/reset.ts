// Makes a connection that comes back fit for the next borrower, or says that it is not.
//
// The common case sends nothing and waits for nothing: the last ReadyForQuery said that there is no transaction, so there is nothing to do,
// and with 'discard' the cleaning is only noted, to go out with the next borrower's first statement.

import { isBusy, isQueued } from './driver.ts';
import type { Session } from './session.ts';
import type { PgReset } from './types.ts';

/** Returns nothing when it is clean already; rejects or throws when it must not be used again. */
export function resetSession(
  session: Session, mode: PgReset, discardAhead: boolean, context: { readonly signal: AbortSignal },
): Promise<void> | undefined {
  const { client } = session;
  if (session.lost) throw session.cause;
  if (session.inFlight || (session.tidying ? isQueued(client) : isBusy(client))) {
    throw new Error('it was given back while a statement was running, or queued');
  }
  session.restoreListeners();
  session.readOnlyWanted = false;
  const clean = client.readyForQuery === true && !session.readOnlySeen && (mode === 'none' || session.status === 'I');
  if (clean && (mode !== 'discard' || discardAhead)) {
    if (mode === 'discard') session.armDiscard();
    session.rest();
    return undefined;
  }
  context.signal.addEventListener('abort', () => { session.silent = true; }, { once: true });
  return resetSlowly(session, mode, discardAhead);
}

async function resetSlowly(session: Session, mode: PgReset, discardAhead: boolean): Promise<void> {
  // After an error the statement is over for its caller before the server is through with it.
  if (session.client.readyForQuery !== true) await whenReady(session);
  if (mode !== 'none') {
    if (session.status !== 'I') await send(session, 'ROLLBACK');
    if (session.status !== 'I') throw new Error('ROLLBACK left the transaction open');
    if (session.readOnlySeen) await judgeReadOnly(session);
  }
  session.readOnlySeen = false;
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
  let rows: readonly unknown[];
  try {
    rows = await send(session, JUDGE);
  } catch (error) {
    if (session.lost) throw error;
    return; // a server of another make, which cannot say
  }
  const verdict = rows[0] as { readonly standby: string; readonly setting: string; readonly source: string } | undefined;
  if (verdict === undefined) return;
  const { standby, setting, source } = verdict;
  // Options of the connection ('client') say what the user wants; it is the same on a new one.
  const byServer = standby === 'true' || (setting === 'on' && source !== 'session' && source !== 'client');
  if (byServer) session.owner.failover(session, '25006');
  // A borrower set it and did not take it back; the next one would meet it.
  else if (setting === 'on' && source === 'session') throw new Error('a borrower left default_transaction_read_only on');
}

const JUDGE = `SELECT pg_is_in_recovery()::text AS standby, setting, source FROM pg_settings WHERE name = 'default_transaction_read_only'`;

function send(session: Session, sql: string): Promise<readonly unknown[]> {
  return new Promise((resolve, reject) => {
    session.client.query(sql, (error, result) => {
      if (error) reject(error);
      else resolve(result.rows);
    });
  });
}

/** The ReadyForQuery after an error. Rejects when the connection ends instead. */
export function whenReady(session: Session): Promise<void> {
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
