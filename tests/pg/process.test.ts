// What a pool does to the process it lives in, seen from outside: programs of their own, on a compiled copy of the library.

import { mkdirSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CompiledLibrary, packageSpecifier, runProgram, type Program } from '../support/compiled.ts';
import { until } from '../support/postgres.ts';
import { onEachPostgres } from '../support/suite.ts';

const here = createRequire(import.meta.url);
const library = new CompiledLibrary();
beforeAll(() => library.compile(), 60_000);
afterAll(() => library.remove());

/** Runs a module that finds createPgPool, pg and the connection string `dsn` at hand. */
function run(code: string, dsn: string): Program {
  return runProgram(`import { createPgPool } from ${library.specifier('adapters/pg/index.js')};
import pg from ${packageSpecifier('pg')};
const dsn = ${JSON.stringify(dsn)}, { Client } = pg;
${code}`);
}

onEachPostgres('a process', (stage) => {
  const dsn = (application: string): string => `${stage.server.connectionString}?application_name=${application}`;

  it('ends by itself with an idle pool that nobody closed', async () => {
    for (const kind of ["reset: 'rollback'", "reset: 'discard'", 'pipeline: true']) {
      const program = run(`
        const pool = createPgPool({ connectionString: dsn, Client, min: 2, max: 4, ${kind}, keepaliveIntervalMs: 300 });
        await pool.ready({ timeoutMs: 60_000 });
        await Promise.all([1, 2, 3].map(() => pool.query('SELECT pg_sleep(0.2)')));
        await pool.query('SELECT pg_sleep(10)', [], { timeoutMs: 50 }).catch(() => {});
        console.log('done');`, dsn('ends'));
      expect(await program.ended, program.said()).toBe(0);
      expect(program.said()).toBe('done\n');
    }
    await until('the server to see it', () => stage.observer.count('ends'), (count) => count === 0);
  });

  it('goes on while a statement runs, or while somebody listens', async () => {
    const program = run(`
      const pool = createPgPool({ connectionString: dsn, Client, max: 1 });
      await pool.query('SELECT 1');
      await new Promise((resolve) => setTimeout(resolve, 400)); // long enough at rest to be no reason to go on
      pool.use(async (client) => {
        await client.query('LISTEN carry_on');
        console.log('listening');
        await new Promise((resolve) => client.on('notification', resolve));
        await client.query('SELECT pg_sleep(0.5)');
        console.log('told');
      });`, dsn('listens'));
    await until('it to listen', program.said, (said) => said.includes('listening'));
    await new Promise((resolve) => { setTimeout(resolve, 1_000); });
    expect(program.child.exitCode).toBeNull();
    await stage.observer.query("SELECT pg_notify('carry_on', '')");
    expect(await program.ended).toBe(0);
    expect(program.said()).toBe('listening\ntold\n');
  });

  it('survives the death of every backend, idle and borrowed, without a single listener', async () => {
    const program = run(`
      const pool = createPgPool({ connectionString: dsn, Client, min: 2, max: 3 });
      await pool.ready({ timeoutMs: 60_000 });
      const lease = await pool.acquire();
      const killer = new Client(dsn.replace(/[?].*/, ''));
      await killer.connect();
      await killer.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'survives'");
      await killer.end();
      await new Promise((resolve) => setTimeout(resolve, 200));
      lease.release();
      console.log((await pool.query('SELECT 1 AS one')).rows);
      await pool.close();`, dsn('survives'));
    expect(await program.ended, program.said()).toBe(0);
    expect(program.said()).toContain('one: 1');
  });

  it('that is killed leaves nothing at the server', async () => {
    const program = run(`
      const pool = createPgPool({ connectionString: dsn, Client, min: 3, max: 3 });
      await pool.ready({ timeoutMs: 60_000 });
      console.log('ready');
      setTimeout(() => {}, 60_000);`, dsn('killed'));
    await until('it to be ready', program.said, (said) => said.includes('ready'));
    program.child.kill('SIGKILL');
    await until('the server to see it', () => stage.observer.count('killed'), (count) => count === 0);
  });
});

it('without the package pg is told at once what is missing', async () => {
  const program = run(`
    try { createPgPool({}); } catch (error) { console.log(error.code, error.message); }
    createPgPool({ Client });
    console.log('fine with a class of one\\'s own');`, '');
  expect(await program.ended).toBe(0);
  expect(program.said()).toMatch(/^ERR_POOL_DRIVER_MISSING .*npm install pg/);
  expect(program.said()).toContain('fine with');
  // With it, nothing needs to be said.
  mkdirSync(join(library.folder, 'node_modules'));
  symlinkSync(dirname(here.resolve('pg/package.json')), join(library.folder, 'node_modules', 'pg'));
  const installed = run("createPgPool({}); console.log('found');", '');
  expect(await installed.ended, installed.said()).toBe(0);
  expect(installed.said()).toBe('found\n');
});
