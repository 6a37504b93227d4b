// Runs a function that may block at the server, on a connection of its own, and ends what blocks when its caller leaves.
//
// To close the connection would be simple, and would lose what arrives in that moment: a BLPOP takes an element off its list and writes it
// to a socket that nobody reads. So the server is asked to end the wait (CLIENT UNBLOCK, from another connection): then either the wait has
// ended with an error, or the element was there first and is the function's, whose result is passed on. The answer to the request is waited
// for before the connection is lent to anybody else, whose wait it would end. Only where the server does not answer, or will not do that,
// or the function does not return, the connection is closed.

import type { Lease } from '../../index.ts';
import { Watch, type Limit } from '../common/watch.ts';
import { sessionOf, type Session } from './session.ts';
import type { RedisClient } from './types.ts';

/** The function may not be waiting yet when the first request comes, or wait again. */
const AGAIN_MS = 50;

/** Sends the words on some other connection. Rejects when there is none, or none in time. */
export type CallElsewhere = (words: readonly string[], timeoutMs: number) => Promise<unknown>;

export async function runBlocking<C extends RedisClient, R>(
  lease: Lease<C>, fn: (client: C) => R | Promise<R>, limit: Limit | undefined, elsewhere: CallElsewhere,
): Promise<R> {
  const session = sessionOf(lease.resource);
  const giveBack = (): void => {
    if (!lease.ended) lease.release(); // destroyed below, or taken by a pool that has closed
  };
  if (limit === undefined) {
    try {
      return await fn(lease.resource);
    } finally {
      giveBack();
    }
  }
  const id = session.id(); // ahead of what the function sends, in the same write
  let left: { readonly reason: unknown } | undefined;
  let ending: Promise<void> | undefined;
  let giveUp = (_reason: unknown): void => undefined;
  const cut = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  cut.catch(() => undefined);
  let settled = false;
  const running = (async () => fn(lease.resource))();
  const over = running.then(() => undefined, () => undefined).then(() => {
    settled = true;
  });
  const watch = new Watch(limit, (reason) => {
    left = { reason };
    ending = unblock(session, id, elsewhere, { over, isOver: () => settled }, limit.cancelTimeoutMs).then(async (clean) => {
      if (clean && settled) return;
      if (!lease.ended) lease.destroy(reason); // else the pool has closed, and taken it
      giveUp(reason);
    });
  });
  try {
    return await Promise.race([running, cut]);
  } catch (error) {
    throw left === undefined ? error : left.reason;
  } finally {
    watch.end();
    if (ending === undefined) giveBack();
    else void ending.then(giveBack);
  }
}

/** The end of the function, as something to wait for and to look at. */
interface Ending {
  readonly over: Promise<void>;
  isOver(): boolean;
}

/** Asks the server until the function has settled. False: some request may still be under way, or there was no time left. */
async function unblock(
  session: Session, id: Promise<string | undefined>, elsewhere: CallElsewhere, { over, isOver }: Ending, timeoutMs: number,
): Promise<boolean> {
  const until = performance.now() + timeoutMs;
  const known = await withinMs(id, timeoutMs);
  if (known === undefined) return isOver();
  while (!isOver() && session.usable) {
    const remainingMs = until - performance.now();
    if (remainingMs <= 0) return false;
    try {
      await elsewhere(['CLIENT', 'UNBLOCK', known, 'ERROR'], remainingMs);
    } catch {
      return false;
    }
    if (!isOver()) await withinMs(over, Math.min(AGAIN_MS, Math.max(1, until - performance.now())));
  }
  return true;
}

function withinMs<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), ms);
    void promise.then((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}
