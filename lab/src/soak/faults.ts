// What happens to the server while people work: sessions ended by an administrator, the server killed and started again, frozen for a
// moment, evictions at noon.

import { createPgPool, type PgPool } from 'millpond/pg';
import type { SeededRandom } from 'millpond/testing';
import type { PostgresServer } from '../servers/postgres.ts';

const PAUSE_MS = 4_000;

/** Hurts the server every few seconds; the function that is returned ends that and leaves the server well. */
export function hurt(server: PostgresServer, pool: PgPool, random: SeededRandom, note: (what: string) => void): () => Promise<void> {
  let stop = (): void => undefined;
  const stopped = new Promise<'stop'>((resolve) => {
    stop = () => resolve('stop');
  });
  const run = async (): Promise<void> => {
    for (;;) {
      const ended = await Promise.race([stopped, pause(PAUSE_MS + random.int(0, PAUSE_MS))]);
      if (ended === 'stop') return;
      await once(server, pool, random, note);
    }
  };
  const running = run();
  return async () => {
    stop();
    await running;
  };
}

async function once(server: PostgresServer, pool: PgPool, random: SeededRandom, note: (what: string) => void): Promise<void> {
  const dice = random.int(0, 9);
  if (dice < 5) {
    note('sessions ended');
    await endSessions(server);
  } else if (dice < 7) {
    note('frozen for 1.5 s');
    await server.kill('SIGSTOP');
    await pause(1_500);
    await server.kill('SIGCONT');
  } else if (dice < 9) {
    note('killed and started');
    await server.kill('SIGKILL');
    await pause(random.int(0, 1_000));
    await server.start();
  } else {
    note('evicted');
    pool.evict({ spreadMs: 1_000 });
  }
}

async function endSessions(server: PostgresServer): Promise<void> {
  const admin = createPgPool({ connectionString: server.connectionString, application_name: 'soak-admin', max: 1 });
  try {
    await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND random() < 0.5', ['soak']);
  } finally {
    await admin.close();
  }
}

function pause(ms: number): Promise<'over'> {
  return new Promise((resolve) => setTimeout(() => resolve('over'), ms));
}
