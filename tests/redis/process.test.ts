// What a pool does to the process it lives in, seen from outside: programs of their own, on a compiled copy of the library.

import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DRIVERS, onRedis } from '../support/redis.ts';

const here = createRequire(import.meta.url);
const library = fileURLToPath(new URL('../../packages/millpond', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'millpond-redis-process-'));

beforeAll(async () => {
  const tsc = join(dirname(here.resolve('typescript/package.json')), 'bin', 'tsc');
  const off = ['composite', 'incremental', 'declaration', 'declarationMap', 'isolatedDeclarations', 'sourceMap'];
  mkdirSync(join(folder, 'millpond'));
  await promisify(execFile)(process.execPath, [
    tsc, '-p', library, '--outDir', join(folder, 'millpond'), '--tsBuildInfoFile', 'null', ...off.flatMap((flag) => [`--${flag}`, 'false']),
  ]);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const CLIENTS: Readonly<Record<string, (port: number) => string>> = {
  'node-redis 6': (port) => `createClient({ socket: { host: '127.0.0.1', port: ${port} } })`,
  'ioredis 5': (port) => `new Redis({ host: '127.0.0.1', port: ${port}, lazyConnect: true })`,
};

/** Runs a module that finds a pool and `call`; what it wrote, and how it ended. */
function run(code: string, client: string): Promise<{ readonly said: string; readonly ended: number | string | null }> {
  const url = (path: string): string => JSON.stringify(pathToFileURL(path).href);
  const source = `import { createRedisPool } from ${url(join(folder, 'millpond', 'adapters', 'redis', 'index.js'))};
import { createRequire } from 'node:module';
const require = createRequire(${url(fileURLToPath(import.meta.url))});
const { createClient } = require('@redis/client');
const { Redis } = require('ioredis');
const pool = createRedisPool({ client: () => ${client}, min: 2, max: 5 });
const call = (client, ...words) => client.call ? client.call(...words) : client.sendCommand(words);
${code}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', (chunk) => { said += String(chunk); });
  child.stderr.on('data', (chunk) => { said += String(chunk); });
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      resolve({ said, ended: status ?? signal });
    });
  });
}

onRedis('a process', (stage) => {
  for (const { name } of DRIVERS.filter((each) => each.name !== 'node-redis 5')) {
    it(`ends by itself with an idle pool that nobody closed, and lives while a command is under way (${name})`, async () => {
      const { said, ended } = await run(`
        await pool.ready();
        await Promise.all([call(pool.shared, 'PING'), pool.use((client) => call(client, 'PING'))]);
        // Long enough that an idle socket does not count any more.
        await new Promise((resolve) => setTimeout(resolve, 400));
        pool.blocking((client) => call(client, 'BLPOP', 'nothing-comes', '0.7')).then(() => console.log('came back'));
      `, CLIENTS[name]!(stage.server.port));
      expect({ said: said.trim(), ended }).toEqual({ said: 'came back', ended: 0 });
    });

    it(`survives connections that die with nobody listening, idle, shared and borrowed (${name})`, async () => {
      const { said, ended } = await run(`
        await pool.ready();
        const lease = await pool.acquire();
        await call(pool.shared, 'PING');
        const lost = new Promise((resolve) => pool.on('destroy', resolve));
        call(pool.shared, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'no').catch(() => undefined);
        await lost;
        lease.release();
        console.log(await call(pool.shared, 'PING'));
        await pool.close();
      `, CLIENTS[name]!(stage.server.port));
      expect({ said: said.trim(), ended }).toEqual({ said: 'PONG', ended: 0 });
    });
  }
});
