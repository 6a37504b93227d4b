// The side connections by which statements are ended at the server: one per server while there is something to end, whatever number of
// callers leaves at once. Each takes what is to be ended in turn, and closes when nothing is left.
//
// KILL names a connection by a number that is only good on its own server. Behind one address there may be several (a balancer), and on
// the wrong one the number is somebody else's: so the side connection first asks where it is.

import { send } from './connect.ts';
import { isServerError, type DriverConnection } from './driver.ts';
import type { Session } from './session.ts';

/** `'done'`: the server did it. `'unsent'`: it was not asked, or refused. `'unknown'`: it was asked, and nobody knows more. */
export type Outcome = 'done' | 'unsent' | 'unknown';

/** Opens a second connection to the server of the session. */
export type OpenBeside = (session: Session, signal: AbortSignal) => Promise<DriverConnection>;

/** How often another connection is made because the one before led to another server. */
const TRIES = 3;

/** Who the server is, among those that one address may lead to. */
const WHO = "SELECT CONCAT_WS('/', @@hostname, @@port, @@server_id) AS who, CONNECTION_ID() AS id";

/**
 * Undefined: a server of another make, which does not say; or one behind a pooler that gave this connection a number of its own, which at
 * the server is somebody else's (or a number that its greeting has no room for, cut off).
 */
export async function identityOf(connection: DriverConnection): Promise<string | undefined> {
  try {
    const [row] = await send(connection, WHO);
    return typeof row?.['who'] === 'string' && String(row['id']) === String(connection.threadId) ? row['who'] : undefined;
  } catch (error) {
    if (!isServerError(error)) throw error;
    return undefined;
  }
}

export class Messenger {
  private readonly openBeside: OpenBeside;
  private readonly lines = new Map<string, Line>();

  constructor(openBeside: OpenBeside) {
    this.openBeside = openBeside;
  }

  /**
   * Ends the statement of the session, or with `'CONNECTION'` the session, unless `isWanted` says no when its turn comes. Never rejects.
   */
  kill(session: Session, what: 'QUERY' | 'CONNECTION', timeoutMs: number, isWanted: () => boolean): Promise<Outcome> {
    const { identity } = session;
    if (identity === undefined || session.driver.threadId === null) return Promise.resolve('unsent');
    return new Promise((resolve) => {
      const order = new Order(`KILL ${what} ${session.driver.threadId}`, timeoutMs, isWanted, resolve);
      const line = this.lines.get(identity);
      if (line !== undefined) line.add(order);
      else void this.begin(identity, session, order, timeoutMs);
    });
  }

  private async begin(identity: string, session: Session, order: Order, timeoutMs: number): Promise<void> {
    const line = new Line();
    line.add(order);
    this.lines.set(identity, line);
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(new Error('it took too long')), timeoutMs);
    let connection: DriverConnection | undefined;
    try {
      connection = await this.reach(identity, session, abort.signal);
      if (connection !== undefined) await line.work(connection, () => this.lines.delete(identity));
    } catch {
      // Whoever is still in line is told below; why it failed is the same as what befell his own connection.
    } finally {
      clearTimeout(timer);
      if (this.lines.get(identity) === line) this.lines.delete(identity);
      line.close();
      if (connection !== undefined) leave(connection);
    }
  }

  /** Undefined: it led to other servers each time. */
  private async reach(identity: string, session: Session, signal: AbortSignal): Promise<DriverConnection | undefined> {
    for (let nth = 1; nth <= TRIES; nth++) {
      const connection = await this.openBeside(session, signal);
      const stop = (): void => { connection.stream.destroy(); };
      signal.addEventListener('abort', stop, { once: true });
      try {
        if (await identityOf(connection) === identity) return connection;
      } finally {
        signal.removeEventListener('abort', stop);
      }
      stop();
    }
    return undefined;
  }
}

/** Says goodbye and waits for nothing. */
function leave(connection: DriverConnection): void {
  const { stream } = connection;
  connection.end();
  if (stream.destroySoon === undefined) stream.end();
  else stream.destroySoon();
}

/** One KILL, and who waits for it. */
class Order {
  readonly sql: string;
  readonly isWanted: () => boolean;
  /** The connection that it was sent on. */
  private sentOn: DriverConnection | undefined = undefined;
  private readonly timer: NodeJS.Timeout;
  private readonly resolve: (outcome: Outcome) => void;
  settled = false;

  constructor(sql: string, timeoutMs: number, isWanted: () => boolean, resolve: (outcome: Outcome) => void) {
    this.sql = sql;
    this.isWanted = isWanted;
    this.resolve = resolve;
    this.timer = setTimeout(() => {
      this.settle(this.sentOn === undefined ? 'unsent' : 'unknown');
      this.sentOn?.stream.destroy(); // those behind it are not to wait for what does not answer
    }, timeoutMs);
  }

  settle(outcome: Outcome): void {
    if (this.settled) return;
    this.settled = true;
    clearTimeout(this.timer);
    this.resolve(outcome);
  }

  async send(connection: DriverConnection): Promise<void> {
    // It ended by itself meanwhile: nothing to end, and nobody else may be hit.
    if (this.settled || !this.isWanted()) {
      this.settle('unsent');
      return;
    }
    this.sentOn = connection;
    try {
      await send(connection, this.sql);
      this.settle('done');
    } catch (error) {
      this.settle(isServerError(error) ? 'unsent' : 'unknown');
    }
  }
}

class Line {
  private readonly orders: Order[] = [];

  add(order: Order): void {
    this.orders.push(order);
  }

  /** Until nobody is in line any more, or the connection is lost. `onEnd`: in that same moment, so that nobody gets in line behind it. */
  async work(connection: DriverConnection, onEnd: () => void): Promise<void> {
    for (let order = this.orders.shift(); order !== undefined; order = this.orders.shift()) {
      await order.send(connection);
      if (!connection.stream.writable) break;
    }
    onEnd();
  }

  close(): void {
    for (const order of this.orders.splice(0)) order.settle('unsent');
  }
}
