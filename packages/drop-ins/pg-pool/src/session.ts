// What happens to the session of a client that comes back. Without `millpond` nothing does, as with pg-pool, but that the client waits for
// the end of a statement it was given back with. With `millpond` it is cleaned, or found to be unfit.

import { isBusy, type DriverClient } from './driver.ts';
import type { Reset } from './types.ts';

/** Undefined: it is clean. Rejects or throws when it must not be lent again. */
export function cleanSession(client: DriverClient, reset: Reset): Promise<void> | undefined {
  if (isBusy(client)) throw new Error('it was given back with a statement under way');
  const isReady = client.readyForQuery !== false;
  if (isReady && (reset === 'none' || (reset === 'rollback' && client.getTransactionStatus?.() === 'I'))) return undefined;
  return cleanSlowly(client, reset);
}

async function cleanSlowly(client: DriverClient, reset: Reset): Promise<void> {
  // After an error the statement is over for its caller before the server is through with it.
  if (client.readyForQuery === false) await drained(client);
  if (reset === 'none') return;
  // A client that cannot tell is asked to end a transaction that it may not have, which does no harm.
  if (client.getTransactionStatus?.() !== 'I') await send(client, 'ROLLBACK');
  if (reset === 'rollback') return;
  await send(client, 'DISCARD ALL');
  // It deallocated them, and the client would go on using their names.
  const { connection } = client;
  if (connection?.parsedStatements !== undefined) connection.parsedStatements = {};
}

/** Whether it answers. */
export async function ping(client: DriverClient): Promise<boolean> {
  // The cheapest statement there is: no parsing, no plan, no rows.
  await send(client, '');
  return true;
}

/** The server is through with everything that was sent to it. */
export function drained(client: DriverClient): Promise<void> {
  return new Promise((resolve, reject) => {
    const onDrain = (): void => {
      client.removeListener('end', onEnd);
      resolve();
    };
    const onEnd = (): void => {
      client.removeListener('drain', onDrain);
      reject(new Error('the connection was closed'));
    };
    client.once('drain', onDrain);
    client.once('end', onEnd);
  });
}

function send(client: DriverClient, sql: string): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query(sql, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
