// The callers. Each works in a loop and checks that what it was lent is its own for as long as it has it.

import type { PgPool } from 'millpond/pg';
import type { SeededRandom } from 'millpond/testing';

export class Crowd {
  /** What must never happen. */
  readonly faults: string[] = [];
  private readonly pool: PgPool;
  private readonly random: SeededRandom;
  /** Who has a connection now. */
  private readonly owners = new Map<object, number>();
  private loops: Promise<void>[] = [];
  private running = true;
  private done = 0;
  private errors = new Map<string, number>();
  private notes: string[] = [];

  constructor(pool: PgPool, random: SeededRandom) {
    this.pool = pool;
    this.random = random;
  }

  start(count: number): void {
    this.loops = Array.from({ length: count }, (_, caller) => this.loop(caller));
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.loops);
  }

  note(what: string): void {
    this.notes.push(what);
  }

  /** What has happened since the last time. */
  take(): { readonly done: number; readonly errors: ReadonlyMap<string, number>; readonly notes: readonly string[] } {
    const { done, errors, notes } = this;
    this.done = 0;
    this.errors = new Map();
    this.notes = [];
    return { done, errors, notes };
  }

  private async loop(caller: number): Promise<void> {
    while (this.running) {
      try {
        await this.oneOf(caller);
        this.done++;
      } catch (error) {
        const { code, name } = error as { code?: unknown; name?: string };
        const key = typeof code === 'string' ? code : name ?? String(error);
        this.errors.set(key, (this.errors.get(key) ?? 0) + 1);
        // Told at once that there is nothing: come back a little later, as a caller with a retry would.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  private async oneOf(caller: number): Promise<void> {
    const dice = this.random.int(0, 99);
    if (dice < 40) await this.query();
    else if (dice < 60) await this.lend(caller, async (client) => void await client.query('SELECT pg_sleep(0.002)'));
    else if (dice < 70) await this.lend(caller, async (client) => void await client.query('BEGIN')); // and never ends it
    else if (dice < 75) await this.lend(caller, async (client) => void await client.query('SELECT 1/0'));
    else if (dice < 80) await this.lend(caller, (client) => void client.query('SELECT pg_sleep(0.05)').catch(() => undefined)); // in flight
    else if (dice < 90) await this.pool.transaction((client) => client.query('SELECT 1'), { retry: 2 });
    else await this.pool.query('SELECT pg_sleep(0.03)', [], { signal: AbortSignal.timeout(this.random.int(1, 40)) });
  }

  private async query(): Promise<void> {
    const value = this.random.int(1, 1_000_000);
    const { rows } = await this.pool.query<{ value: number }>('SELECT $1::int AS value', [value], { timeoutMs: 1_500 });
    if (rows[0]?.value !== value) this.faults.push(`asked for ${value}, got the answer ${rows[0]?.value}`);
  }

  /** A lease whose owner is written down: a second owner at the same time is the worst fault there is. */
  private async lend(caller: number,
    work: (client: Awaited<ReturnType<PgPool['acquire']>>['resource']) => Promise<void> | void): Promise<void> {
    const lease = await this.pool.acquire({ label: `caller ${caller}`, signal: AbortSignal.timeout(this.random.int(5, 3_000)) });
    const client = lease.resource;
    const before = this.owners.get(client);
    if (before !== undefined) this.faults.push(`a connection was lent to ${before} and ${caller}`);
    this.owners.set(client, caller);
    try {
      await work(client);
    } finally {
      if (this.owners.get(client) !== caller) this.faults.push(`a connection of ${caller} was given to ${this.owners.get(client)}`);
      this.owners.delete(client);
      lease.release();
      if (this.random.chance(0.05) && lease.release()) this.faults.push('a second release had an effect');
    }
  }
}
