// One exchange on a borrowed socket, so that it ends. What a pool cannot see is the other end falling silent in the middle of an answer:
// then nothing comes, no error either, for as long as TCP retransmits or keep-alive is patient. A deadline ends it; and because the rest of
// the answer may still come, whatever ends an exchange in its middle ends the connection.

import type { Socket } from 'node:net';
import { InvalidOptionError } from '../../index.ts';
import { ConnectionLostError, ExchangeTimeoutError } from './errors.ts';
import { sessionOf } from './session.ts';
import { Watch } from '../common/watch.ts';

export interface ExchangeOptions {
  /** In milliseconds. Default: none. Beyond it: {@link ExchangeTimeoutError}. */
  readonly timeoutMs?: number | undefined;
  /** Aborting it ends the exchange with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `work`, a request and its whole answer, on a borrowed socket. Rejects at the deadline, when `signal` aborts, with
 * {@link ConnectionLostError} as soon as the connection is lost, and with what `work` throws; in each case the connection is closed, and
 * the pool will not lend it again.
 */
export function exchange<S extends Socket, R>(
  socket: S, work: (socket: S) => R | Promise<R>, { timeoutMs, signal }: ExchangeOptions = {},
): Promise<R> {
  return new Promise((resolve, reject) => {
    const session = sessionOf(socket);
    if (session === undefined) throw new TypeError('exchange() takes a socket that was lent by a pool of millpond/tcp');
    const { pool } = session.owner;
    if (timeoutMs !== undefined && !(timeoutMs > 0)) {
      throw new InvalidOptionError('timeoutMs', `timeoutMs is ${timeoutMs}, but must be milliseconds above 0, or Infinity`, pool);
    }
    if (!session.usable) throw new ConnectionLostError(pool, false, session.cause ?? new Error('its end has been written'));
    signal?.throwIfAborted();
    let open = true;
    /** True the first time. */
    const end = (): boolean => {
      if (!open) return false;
      open = false;
      watch.end();
      socket.removeListener('close', onClose);
      return true;
    };
    const fail = (error: unknown): void => {
      if (!end()) return;
      socket.destroy();
      reject(error);
    };
    // Not at the end of what comes in: the answer may be complete, and `work` not through with it.
    const onClose = (): void => {
      setImmediate(() => fail(new ConnectionLostError(pool, true, session.cause)));
    };
    const onTimeout = (): Error => new ExchangeTimeoutError(pool, timeoutMs ?? Infinity);
    const watch = new Watch({ signal, remainingMs: timeoutMs, onTimeout }, fail);
    socket.on('close', onClose);
    const done = (result: R): void => {
      if (end()) resolve(result);
    };
    // Whoever waits for an event of the socket is told by the socket, and passes on what it says.
    const failed = (error: unknown): void => {
      fail(session.lost && error === session.cause ? new ConnectionLostError(pool, true, error) : error);
    };
    try {
      Promise.resolve(work(socket)).then(done, failed);
    } catch (error) {
      failed(error);
    }
  });
}
