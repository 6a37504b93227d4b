// Clients as people have them, in every pool mode: postgres.js, psql, pgbench and psycopg. node-postgres is what the other tests use. Where
// a program is not on this machine its tests are left out, loudly; in CI they must be there.

import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBouncer, startPostgres, type Bouncer, type PostgresServer } from './bouncer.ts';

const run = promisify(execFile);

let server: PostgresServer;
beforeAll(async () => { server = await startPostgres(); });
afterAll(() => server.stop());

/** Whether a program is there. In CI it must be, unless it is optional. */
function isThere(program: string, args: readonly string[] = ['--version'], optional = false): boolean {
  if (spawnSync(program, args).status === 0) return true;
  const message = `${[program, ...args].join(' ')} does not run on this machine: its tests through the proxy are left out.`;
  if (process.env['CI'] === 'true' && !optional) throw new Error(`${message} In CI it must be there.`);
  process.stderr.write(`\n!!! ${message}\n\n`);
  return false;
}

const environment = (bouncer: Bouncer): NodeJS.ProcessEnv => ({
  ...process.env, PGHOST: '127.0.0.1', PGPORT: String(bouncer.port), PGUSER: server.user, PGPASSWORD: server.password, PGDATABASE: 'main',
});

const MODES = ['session', 'transaction', 'statement'] as const;
const start = (mode: string): Promise<Bouncer> => startBouncer(server, [`pool_mode = ${mode}`, 'default_pool_size = 3']);

describe.each(MODES)('postgres.js, pool_mode = %s', (mode) => {
  it('prepares, pipelines, and gets the types right', async () => {
    await using bouncer = await start(mode);
    const { user: username, password } = server;
    const sql = postgres({ host: '127.0.0.1', port: bouncer.port, username, password, database: 'main', max: 3 });
    const ask = (n: number): Promise<postgres.RowList<postgres.Row[]>> => sql`SELECT ${n}::int + 1 AS next, ${`said ${n}`}::text AS said`;
    const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => ask(n)));
    expect(answers.map(([row]) => row)).toEqual(answers.map((_, n) => ({ next: n + 1, said: `said ${n}` })));
    await expect(sql`SELECT 1 / ${0}::int`).rejects.toMatchObject({ code: '22012' });
    if (mode !== 'statement') {
      const total = await sql.begin(async (tx) => {
        await tx`CREATE TEMP TABLE numbers ON COMMIT DROP AS SELECT generate_series(1, 10) AS n`;
        return (await tx<{ sum: string }[]>`SELECT sum(n) FROM numbers`)[0]!.sum;
      });
      expect(total).toBe('55');
    }
    await sql.end();
  });
});

describe.runIf(isThere('psql')).each(MODES)('psql, pool_mode = %s', (mode) => {
  it('runs a script, \\copy both ways, \\gexec and \\d', async () => {
    await using bouncer = await start(mode);
    const table = `psql_${mode}`;
    const script = [
      `CREATE TABLE ${table} (id int, said text);`, `\\copy ${table} FROM PROGRAM 'seq 1 500 | sed s/$/,x/' WITH (FORMAT csv)`,
      `SELECT count(*), max(id) FROM ${table};`, `\\copy (SELECT id FROM ${table} WHERE id <= 2 ORDER BY id) TO STDOUT`,
      "SELECT format('SELECT %s * 2', n) FROM generate_series(1, 2) AS n \\gexec", `\\d ${table}`, `DROP TABLE ${table};`,
    ];
    const psql = run('psql', ['-X', '-A', '-t', '-v', 'ON_ERROR_STOP=1'], { env: environment(bouncer) });
    psql.child.stdin!.end(`${script.join('\n')}\n`);
    const { stdout } = await psql;
    const lines = stdout.trim().split('\n');
    expect(lines.slice(0, 7)).toEqual(['CREATE TABLE', 'COPY 500', '500|500', '1', '2', '2', '4']);
    expect(lines.at(-1)).toBe('DROP TABLE');
  });
});

describe.runIf(isThere('pgbench')).each(MODES)('pgbench, pool_mode = %s', (mode) => {
  it.each(['simple', 'extended', 'prepared'])('runs with -M %s, and no transaction fails', async (protocol) => {
    await using bouncer = await start(mode);
    const env = environment(bouncer);
    await run('pgbench', ['-i', '-s', '1', '-q'], { env: { ...env, PGPORT: String(server.port), PGDATABASE: server.database } });
    // Transactions are what the statement mode refuses: there only what reads.
    const what = mode === 'statement' ? ['-S'] : ['-b', 'tpcb-like', '-b', 'select-only'];
    // A client that waits for a server connection in session mode waits for another to end.
    const clients = mode === 'session' ? '3' : '8';
    // A thread for each: pgbench waits in PQprepare, and the only thread would wait for transactions that it has begun itself.
    const { stdout } = await run('pgbench', ['-n', '-c', clients, '-j', clients, '-t', '30', '-M', protocol, ...what], { env });
    expect(stdout).toContain(`number of transactions actually processed: ${Number(clients) * 30}/${Number(clients) * 30}`);
    expect(stdout).toContain('number of failed transactions: 0 (0.000%)');
  });
});

const PSYCOPG = `
import os, psycopg
with psycopg.connect(prepare_threshold=2, autocommit=True) as c:
    for n in range(20):
        assert c.execute('SELECT %s::int + 1', (n,)).fetchone() == (n + 1,)
    with c.pipeline():
        cursors = [c.execute('SELECT %s::int * 2', (n,)) for n in range(30)]
    assert [cursor.fetchone()[0] for cursor in cursors] == [n * 2 for n in range(30)]
    try:
        c.execute('SELECT 1 / %s::int', (0,))
        raise SystemExit('no error came')
    except psycopg.errors.DivisionByZero:
        pass
    if os.environ['MODE'] != 'statement':
        with c.transaction():
            c.execute('CREATE TEMP TABLE t (n int) ON COMMIT DROP')
            with c.cursor().copy('COPY t FROM STDIN') as copy:
                for n in range(1000):
                    copy.write_row((n,))
            assert c.execute('SELECT sum(n) FROM t').fetchone() == (499500,)
print('done')
`;

describe.runIf(isThere('python3', ['-c', 'import psycopg'], true)).each(MODES)('psycopg, pool_mode = %s', (mode) => {
  it('prepares by itself, pipelines, copies, and sees its errors', async () => {
    await using bouncer = await start(mode);
    const { stdout } = await run('python3', ['-c', PSYCOPG], { env: { ...environment(bouncer), MODE: mode } });
    expect(stdout.trim()).toBe('done');
  });
});
