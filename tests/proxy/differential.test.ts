// Random programs run against PostgreSQL and through the proxy: the client must not be able to tell the two apart. MILLPOND_SEED repeats a
// failure, MILLPOND_ROUNDS makes it longer.

import { seededRandom } from 'millpond/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBouncer, startPostgres, type PostgresServer } from './bouncer.ts';
import { compare } from './support/differential.ts';
import { query } from './support/messages.ts';
import { program } from './support/programs.ts';
import { WireClient, type Place } from './support/wire-client.ts';

const SEED = Number(process.env['MILLPOND_SEED'] ?? 20_261_127);
const ROUNDS = Number(process.env['MILLPOND_ROUNDS'] ?? 8);
const CLIENTS = 5;
const EXCHANGES = 20;
const TRUST = ['local all all trust', 'host all all 127.0.0.1/32 trust'];

let server: PostgresServer;
let direct: Place;
let admin: WireClient;
beforeAll(async () => {
  server = await startPostgres({ hba: TRUST });
  direct = { host: server.host, port: server.port, user: server.user, database: server.database };
  admin = await WireClient.connect(direct);
  const tables = Array.from({ length: CLIENTS }, (_, n) => `CREATE TABLE t${n} (id serial PRIMARY KEY, said text)`);
  await admin.ask(query(tables.join('; ')));
});
afterAll(async () => {
  admin.vanish();
  await server.stop();
});

async function reset(): Promise<void> {
  const tables = Array.from({ length: CLIENTS }, (_, n) => `t${n}`).join(', ');
  await admin.ask(query(`TRUNCATE ${tables} RESTART IDENTITY`));
}

describe.each([
  ['transaction', 1], ['transaction', 3], ['session', 1], ['session', 3],
] as const)('pool_mode = %s, %d server connections', (mode, size) => {
  it(`answers as PostgreSQL does (seed ${SEED}, ${ROUNDS} rounds)`, async () => {
    const settings = [
      `pool_mode = ${mode}`, `default_pool_size = ${size}`, 'auth_type = trust', 'max_prepared_statements = 4', 'query_wait_notify = 0',
    ];
    await using bouncer = await startBouncer(server, settings);
    const stage = { direct, proxied: { ...direct, port: bouncer.port, database: 'main' }, reset };
    for (let round = 0; round < ROUNDS; round++) {
      const random = seededRandom(`${SEED} ${mode} ${size} ${round}`);
      const programs = Array.from({ length: CLIENTS }, (_, n) =>
        program(random.fork(`client ${n}`), { table: `t${n}`, exchanges: EXCHANGES, session: mode === 'session' }));
      expect(await compare(stage, programs), `MILLPOND_SEED=${SEED}, round ${round}`).toBeUndefined();
    }
  });
});
