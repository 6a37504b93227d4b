// What one can do to the database and to the pool, and how it is mended: by a button, or by itself after some seconds, so that whoever
// leaves the page does not leave a broken playground behind.
import type { Lease } from 'millpond';
import type { PgClient, PgPool } from 'millpond/pg';
import type { PostgresServer } from '../servers/postgres.ts';
import { HOLD_A_ROW } from './load/order.ts';
import type { Mark, ServerState } from './page/wire.ts';

const START_AFTER_MS = 8000;
const THAW_AFTER_MS = 15_000;
const TRANSACTION_MS = 20_000;
const LEAK_LABEL = 'GET /report (forgot its release)';
const TRANSACTION_LABEL = 'nightly job (long transaction)';

export class Mischief {
  readonly #server: PostgresServer;
  readonly #pool: PgPool;
  readonly #mark: (kind: Mark['kind'], text: string) => void;
  readonly #leaked: Lease<PgClient>[] = [];
  #state: ServerState = 'up';
  #mending: NodeJS.Timeout | undefined;
  #endTransaction: (() => void) | undefined;
  #closed = false;

  constructor(server: PostgresServer, pool: PgPool, mark: (kind: Mark['kind'], text: string) => void) {
    this.#server = server;
    this.#pool = pool;
    this.#mark = mark;
  }

  get server(): ServerState {
    return this.#state;
  }

  get leaked(): number {
    return this.#leaked.length;
  }

  get transaction(): boolean {
    return this.#endTransaction !== undefined;
  }

  async kill(): Promise<void> {
    if (this.#state !== 'up' && this.#state !== 'frozen') return;
    this.#state = 'down';
    this.#mark('trouble', 'database killed');
    this.#later(START_AFTER_MS, () => this.start());
    await this.#server.kill('SIGKILL');
  }

  async start(): Promise<void> {
    if (this.#state !== 'down' || this.#server.pid !== undefined) return;
    clearTimeout(this.#mending);
    this.#state = 'starting';
    await this.#server.start();
    this.#state = 'up';
    this.#mark('mended', 'database started');
  }

  async freeze(): Promise<void> {
    if (this.#state !== 'up') return;
    this.#state = 'frozen';
    this.#mark('trouble', 'database frozen');
    this.#later(THAW_AFTER_MS, () => this.thaw());
    await this.#server.kill('SIGSTOP');
  }

  async thaw(): Promise<void> {
    if (this.#state !== 'frozen') return;
    clearTimeout(this.#mending);
    await this.#server.kill('SIGCONT');
    this.#state = 'up';
    this.#mark('mended', 'database thawed');
  }

  /** Borrows a connection and forgets it. Resolves when it has one; who waits in vain is told by the pool. */
  async leak(): Promise<void> {
    const lease = await this.#pool.acquire({ label: LEAK_LABEL });
    if (this.#closed) return void lease.release();
    this.#leaked.push(lease);
    this.#mark('trouble', `leak: ${this.#leaked.length} lost`);
  }

  giveBack(): void {
    if (this.#leaked.length === 0) return;
    for (const lease of this.#leaked.splice(0)) lease.release();
    this.#mark('mended', 'leaks given back');
  }

  /** Changes a row that everybody wants, and then takes its time. Resolves when it is over. */
  async longTransaction(): Promise<void> {
    if (this.transaction) return;
    const over = new Promise<void>((resolve) => { this.#endTransaction = resolve; });
    const timer = setTimeout(() => this.#endTransaction?.(), TRANSACTION_MS);
    try {
      await this.#pool.transaction(async (client) => {
        await client.query(HOLD_A_ROW);
        this.#mark('trouble', 'long transaction holds a row');
        await over;
      }, { label: TRANSACTION_LABEL });
      this.#mark('mended', 'transaction ended');
    } finally {
      clearTimeout(timer);
      this.#endTransaction = undefined;
    }
  }

  endTransaction(): void {
    this.#endTransaction?.();
  }

  /** Whatever is held is let go. The server itself is stopped by whoever started it. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#mending);
    this.#endTransaction?.();
    for (const lease of this.#leaked.splice(0)) lease.release();
    if (this.#state === 'frozen') await this.#server.kill('SIGCONT');
  }

  #later(ms: number, mend: () => Promise<void>): void {
    clearTimeout(this.#mending);
    this.#mending = setTimeout(() => {
      if (!this.#closed) mend().catch((error: unknown) => this.#mark('trouble', String(error)));
    }, ms);
  }
}
