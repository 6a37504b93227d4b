// What the database sees: how many sessions a role has, again and again, over a connection of somebody else.
import pg from 'pg';
import type { Database } from './order.ts';

const EVERY_MS = 20;
const COUNT = 'SELECT application_name AS name, count(*)::int AS n FROM pg_stat_activity '
  + 'WHERE usename = $1 AND backend_type = \'client backend\' GROUP BY 1';

export class SocketCount implements AsyncDisposable {
  /** The most that were there at once. */
  most = 0;
  /** At the last look. */
  now = 0;
  #by: ReadonlyMap<string, number> = new Map();
  readonly #client: pg.Client;
  readonly #role: string;
  #stopped = false;
  #looking: Promise<void> = Promise.resolve();

  private constructor(client: pg.Client, role: string) {
    this.#client = client;
    this.#role = role;
  }

  static async start(as: Database, role: string): Promise<SocketCount> {
    const client = new pg.Client({ ...as });
    client.on('error', () => undefined); // the next look fails
    await client.connect();
    const count = new SocketCount(client, role);
    count.#looking = count.#look();
    return count;
  }

  /** At the last look, of one process. */
  of(name: string): number {
    return this.#by.get(name) ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#looking;
    await this.#client.end();
  }

  async #look(): Promise<void> {
    while (!this.#stopped) {
      const { rows } = await this.#client.query<{ name: string; n: number }>(COUNT, [this.#role]);
      this.#by = new Map(rows.map(({ name, n }) => [name, n]));
      this.now = rows.reduce((sum, { n }) => sum + n, 0);
      this.most = Math.max(this.most, this.now);
      await new Promise((resolve) => { setTimeout(resolve, EVERY_MS); });
    }
  }
}
