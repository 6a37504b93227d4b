// One statement of pool.query(), on a client that it has for itself.

import { isDead, type DriverClient } from './driver.ts';

export type Settle = (error: unknown, result?: unknown) => void;

export interface Statement {
  /** A text, a config, or a query object that submits itself. */
  readonly text: unknown;
  readonly values: unknown;
  /** An error of the server is the statement's, and no reason to close the client. */
  readonly keepAfterErrors: boolean;
}

/** Sends it, gives the client back by `release`, then tells the outcome by `settle`. */
export function execute(
  client: DriverClient, { text, values, keepAfterErrors }: Statement, release: (error?: unknown) => void, settle: Settle,
): void {
  let over = false;
  const finish = (error: unknown, result?: unknown): void => {
    if (over) return;
    over = true;
    client.removeListener('error', onError);
    if (submits) client.removeListener('drain', onDrain);
    const keeps = error && keepAfterErrors && isServerError(error) && !isDead(client);
    // As the client has it: null where there is none, which those who listen to 'release' get to see.
    release(keeps ? undefined : error);
    if (error) settle(error);
    else settle(undefined, result);
  };
  const onError = (error: unknown): void => finish(error);
  // Cursors and streams never call back. When the server is through with one, the client is free.
  const onDrain = (): void => finish(undefined);
  const submits = typeof (text as { readonly submit?: unknown } | null | undefined)?.submit === 'function';
  client.once('error', onError);
  if (submits) client.once('drain', onDrain);
  try {
    client.query(text, values, finish);
  } catch (error) {
    // Not in the call: nobody expects to be called back before it has returned.
    process.nextTick(finish, error);
  }
}

/** An answer of the server, and not of the driver or the network. */
function isServerError(error: unknown): boolean {
  const { code, severity } = error as { readonly code?: unknown; readonly severity?: unknown };
  return typeof severity === 'string' && typeof code === 'string' && code.length === 5;
}
