// What the server itself says: how many sessions it has ever opened for a database, and how many are there now. Asked over one
// connection of our own to another database, so that looking does not change the figure.
import type { Client } from 'pg';

export interface ServerMeter {
  /** Sessions opened since the database exists. A session is counted for certain once it has ended. */
  sessionsOpened(): Promise<number>;
  /** Resolves when nobody is connected any more (or after `limitMs`). */
  quiet(limitMs: number): Promise<void>;
}

const OPENED = 'select sessions::float8 as n from pg_stat_database where datname = $1';
const PRESENT = 'select count(*)::int as n from pg_stat_activity where datname = $1';
const LOOK_EVERY_MS = 20;

export function serverMeter(admin: Pick<Client, 'query'>, database: string): ServerMeter {
  const ask = async (text: string): Promise<number> => {
    const result = await admin.query<{ n: number }>(text, [database]);
    return result.rows[0]?.n ?? 0;
  };
  return {
    sessionsOpened: () => ask(OPENED),
    quiet: async (limitMs) => {
      const untilMs = performance.now() + limitMs;
      while (await ask(PRESENT) > 0 && performance.now() < untilMs) {
        await new Promise((resolve) => { setTimeout(resolve, LOOK_EVERY_MS); });
      }
    },
  };
}
