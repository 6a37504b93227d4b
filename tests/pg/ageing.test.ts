// Idleness and lifetime end connections, never what runs on one: whoever asks for something slow gets its answer, however old the
// connection has become meanwhile. A younger connection of the same pool that has been retired shows that the time of the older one is up.

import { createPgPool } from 'millpond/pg';
import { expect, it } from 'vitest';
import { until } from '../support/postgres.ts';
import { onEachPostgres } from '../support/suite.ts';

const LIMITS = { idleTimeout: { idleTimeoutMs: 200 }, maxLifetime: { maxLifetimeMs: 400, lifetimeJitter: 0 } };

onEachPostgres('timers of age', (stage) => {
  it.each([
    ['idleTimeout', false], ['maxLifetime', false], ['idleTimeout', true], ['maxLifetime', true],
  ] as const)('end no statement that is in flight: %s, with pipeline: %s', async (reason, pipeline) => {
    const name = `${reason}-${pipeline}`;
    await using pool = createPgPool({ ...stage.options(name), max: 2, pipeline, ...LIMITS[reason] });
    const destroyed: string[] = [];
    pool.on('destroy', (event) => destroyed.push(event.reason));
    await stage.observer.query('SELECT pg_advisory_lock(20)');
    const slow = pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid FROM (SELECT pg_advisory_lock_shared(20)) AS waited');
    const { pid } = await stage.observer.running(name, 'pg_advisory_lock_shared');
    // By a lease: behind the slow one, a statement in a pipeline would wait for it.
    await pool.use((client) => client.query('SELECT 1'));
    await until('a younger connection to be retired', () => destroyed, (reasons) => reasons.length > 0);
    expect(destroyed).toEqual([reason]);
    expect((await stage.observer.backends(name)).map((backend) => backend.pid)).toEqual([pid]);
    await stage.observer.query('SELECT pg_advisory_unlock(20)');
    expect((await slow).rows).toEqual([{ pid }]);
    await until('the older one to be retired after it', () => destroyed, (reasons) => reasons.length === 2);
    expect(destroyed).toEqual([reason, reason]);
  });
});
