// A client has gone in the middle of something. What it left running is cancelled, what it left half said is ended, and its transaction is
// rolled back, so that the server connection serves on: closing it would leave a backend at work that no limit counts any more.

import { FROM_CLIENT, TRANSACTION } from '../wire/pg/types.ts';
import { copyFail, sync } from '../wire/pg/write.ts';
import type { Link, ServerConnection } from './connection.ts';

export interface RecoveryOptions {
  /** Cancels what runs there. */
  readonly cancel: (server: ServerConnection) => Promise<void>;
  readonly timeoutMs: number;
}

/** Rejects when the connection cannot be used again: it has to be closed then. */
export async function recover(server: ServerConnection, { cancel, timeoutMs }: RecoveryOptions): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('client disconnect while server was not ready')), timeoutMs);
  });
  try {
    await Promise.race([settle(server, cancel), late]);
  } finally {
    clearTimeout(timer);
    server.link = undefined;
  }
}

async function settle(server: ServerConnection, cancel: RecoveryOptions['cancel']): Promise<void> {
  if (server.requests.owed > 0 || server.requests.isOpen || server.requests.doubt > 0) {
    const quiet = new Promise<void>((resolve, reject) => {
      server.link = nobody(server, resolve, reject);
    });
    // Whoever waits for it below hears of it.
    quiet.catch(() => undefined);
    if (server.requests.copyingIn) server.request(copyFail('the client has gone'), { type: FROM_CLIENT.copyFail, own: true });
    if (server.requests.isOpen) server.request(sync(), { type: FROM_CLIENT.sync, own: true });
    if (server.requests.owed > 0) await cancel(server);
    server.settle();
    await quiet;
  }
  server.link = undefined;
  if (server.status !== TRANSACTION.idle) await server.run('ROLLBACK');
  if (server.status !== TRANSACTION.idle || server.broken !== undefined) throw new Error(server.broken ?? 'the transaction did not end');
}

/** Takes everything that is still answered, and says when that is over. */
function nobody(server: ServerConnection, over: () => void, lost: (error: Error) => void): Link {
  return {
    fromServer: () => true,
    mayContinue: () => true,
    ready: over,
    drained: () => undefined,
    stalled: false,
    goOn: () => undefined,
    parameter: () => undefined,
    // What it sets is nobody's to find.
    completed: (tag) => { server.dirty ||= tag !== 'BEGIN'; },
    failed: () => false,
    outdated: () => undefined,
    serverLost: (reason) => lost(new Error(reason)),
  };
}
