// Ends a statement at the server, and only that statement.
//
// KILL QUERY names a connection, not a statement: one that arrives late hits whatever that connection does then, perhaps for somebody
// else. So a connection may be used again only when three things are known: its own answer came (the statement is over), the server has
// said that the KILL is done, and after that a statement of our own has run to its end. For the KILL sets a mark, and where the
// statement had just ended, a server may find the mark with the next one: that is then ours. What stays unknown costs the connection.

import { send } from './connect.ts';
import { isServerError } from './driver.ts';
import type { Messenger } from './messenger.ts';
import type { Session } from './session.ts';

/** It was interrupted: the mark of a KILL was found. */
const INTERRUPTED = 1317;
/** One mark, one interruption; more means that somebody else kills as well. */
const BARRIERS = 3;

/** Ends what runs on the session. True: the session is at rest and no KILL is under way; false: it must be closed. Never rejects. */
export async function cancelStatement(session: Session, messenger: Messenger, timeoutMs: number): Promise<boolean> {
  if (!session.usable || !session.busy) return session.usable;
  const deadline = performance.now() + timeoutMs;
  const [outcome, isOver] = await Promise.all([
    messenger.kill(session, 'QUERY', timeoutMs, () => session.usable && session.busy),
    whenOver(session, timeoutMs),
  ]);
  if (!isOver) session.silent = true;
  if (!isOver || outcome === 'unknown' || !session.usable) return false;
  return outcome === 'unsent' || await barrier(session, deadline - performance.now());
}

/** Waits for the end of what runs now, for at most `timeoutMs`. False: the connection is lost, or it took too long. */
function whenOver(session: Session, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (result: boolean): void => {
      clearTimeout(timer);
      unwatch();
      session.lossListeners.delete(onLoss);
      resolve(result);
    };
    const onRest = (): void => {
      if (!session.busy) settle(true);
    };
    const onLoss = (): void => settle(false);
    const timer = setTimeout(onLoss, Math.max(1, timeoutMs));
    const unwatch = session.watchRest(onRest);
    session.lossListeners.add(onLoss);
    onRest();
  });
}

/** Runs statements that do nothing until one has not been interrupted. */
async function barrier(session: Session, timeoutMs: number): Promise<boolean> {
  // Stops waiting, and with it the waiting below: the connection is then lost.
  const timer = setTimeout(() => {
    session.silent = true;
    session.lose(new Error('it did not answer after a KILL QUERY'));
    session.driver.stream.destroy();
  }, Math.max(1, timeoutMs));
  try {
    for (let nth = 1; nth <= BARRIERS; nth++) {
      try {
        await send(session.driver, 'DO 0');
        return session.usable;
      } catch (error) {
        if (!isServerError(error) || error.errno !== INTERRUPTED) return false;
      }
    }
    return false;
  } finally {
    clearTimeout(timer);
  }
}
