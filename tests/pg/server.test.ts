// The servers that tests and the demo run on: private, quick to kill, and gone without a trace.

import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { failureOf, Observer, postgresVersions, startPostgres, until } from '../support/postgres.ts';

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe.each(postgresVersions())('a private PostgreSQL %s', (version) => {
  it('takes connections, keeps its data over a kill, and leaves nothing behind', async () => {
    const server = await startPostgres({ version, settings: { max_connections: 17 } });
    const { pid = 0, socketFolder } = server;
    await using observer = new Observer(server);
    expect(await observer.query('SHOW max_connections')).toEqual([{ max_connections: '17' }]);
    const [{ server_version: found } = { server_version: '' }] = await observer.query<{ server_version: string }>('SHOW server_version');
    expect(found.startsWith(`${version}.`)).toBe(true);
    await observer.query('CREATE TABLE kept AS SELECT 1 AS n');
    await server.kill('SIGKILL');
    expect([server.pid, isAlive(pid)]).toEqual([undefined, false]);
    await expect(server.kill('SIGKILL')).rejects.toThrow('down');
    expect(await failureOf(new pg.Client(server.connectionString).connect())).toMatchObject({ code: 'ECONNREFUSED' });
    await server.start();
    expect(await observer.query('SELECT n FROM kept')).toEqual([{ n: 1 }]);
    expect(server.logs()).toContain('recovery');
    await server.kill('SIGSTOP');
    await server.stop();
    await server.stop();
    expect(existsSync(socketFolder)).toBe(false);
    await expect(server.start()).rejects.toThrow('for good');
  });
});

describe('a private PostgreSQL', () => {
  it('wants a password', async () => {
    await using server = await startPostgres();
    const { host, port, user } = server;
    expect(await failureOf(new pg.Client({ host, port, user, password: 'guessed' }).connect())).toMatchObject({ code: '28P01' });
  });

  it('says what is wrong when it cannot start', async () => {
    await expect(startPostgres({ settings: { shared_buffers: 'much' } })).rejects.toThrow(/did not start[^]*shared_buffers/);
    const taken = createServer();
    const port = await new Promise<number>((resolve) => {
      taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port));
    });
    await expect(startPostgres({ port })).rejects.toThrow(/did not start[^]*Address already in use/);
    taken.close();
  });

  it('ends with the process that started it, however that ends', async () => {
    // The lab compiles on its own; a program that uses it is compiled the same way.
    const lab = fileURLToPath(new URL('../../lab', import.meta.url));
    const compiler = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));
    await promisify(execFile)(process.execPath, [compiler, '-b', lab]);
    const code = `import { startPostgres } from ${JSON.stringify(`${lab}/dist/servers/postgres.js`)};
      const server = await startPostgres();
      console.log(JSON.stringify([server.pid, server.socketFolder]));
      if (process.argv[1] === 'exit') process.exit(0);
      if (process.argv[1] === 'crash') setTimeout(() => { throw new Error('on purpose'); });
      if (process.argv[1] === 'stay') setInterval(() => {}, 1_000);`;
    await Promise.all(['exit', 'crash', 'fall asleep', 'stay'].map(async (way) => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', code, way], { stdio: ['ignore', 'pipe', 'ignore'] });
      let said = '';
      child.stdout.on('data', (chunk) => { said += String(chunk); });
      await until('the server to be up', () => said, (text) => text.includes('\n'));
      const [pid, folder] = JSON.parse(said) as [number, string];
      if (way === 'stay') child.kill('SIGKILL'); // without a chance to clean up
      await until(`the server to end with '${way}'`, () => isAlive(pid) || existsSync(folder), (there) => !there);
    }));
  });
});
