// What a dispatcher and a pool of HTTP/2 sessions do to the process they live in, seen from outside: programs of their own, on a compiled
// copy of the library beside which nothing is installed.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { reply, serveH2 } from './h2-stage.ts';
import { serve } from './stage.ts';

const here = createRequire(import.meta.url);
const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'millpond-http-process-'));

beforeAll(async () => {
  const tsc = join(dirname(here.resolve('typescript/package.json')), 'bin', 'tsc');
  const off = ['composite', 'incremental', 'declaration', 'declarationMap', 'isolatedDeclarations', 'sourceMap'];
  const library = fileURLToPath(new URL('../../packages/millpond', import.meta.url));
  await run(process.execPath, [
    tsc, '-p', library, '--outDir', join(folder, 'millpond'), '--tsBuildInfoFile', 'null', ...off.flatMap((flag) => [`--${flag}`, 'false']),
  ]);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a module that finds the library, undici and the origin at hand; it must end by itself, and well. Returns what it said. */
async function program(origin: string, code: string): Promise<string> {
  const at = (path: string): string => JSON.stringify(pathToFileURL(path).href);
  const source = `import { createDispatcher, createH2Pool } from ${at(join(folder, 'millpond', 'adapters', 'http', 'index.js'))};
import undici from ${at(here.resolve('undici'))};
const origin = ${JSON.stringify(origin)};
${code}`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', source], { timeout: 60_000 });
  return stdout.trim();
}

test('a process ends by itself with idle connections that nobody closed, used and warm ones', async () => {
  const { origin } = await serve((_, response) => response.end('hello'));
  expect(await program(origin, `
    const dispatcher = createDispatcher({ undici, keepAliveTimeoutMs: Infinity, acquireTimeoutMs: 60_000 });
    await Promise.all([1, 2].map(async () => (await fetch(origin, { dispatcher })).text()));
    await dispatcher.warm(origin, { min: 4 });
    console.log('done');
  `)).toBe('done');
});

test('it lives for as long as a request waits or runs', async () => {
  const { origin } = await serve((_, response) => void setTimeout(() => response.end('hello'), 100));
  expect(await program(origin, `
    const dispatcher = createDispatcher({ undici, max: 1, acquireTimeoutMs: 60_000 });
    await dispatcher.warm(origin);
    for (const name of ['one', 'two', 'three']) fetch(origin, { dispatcher }).then((r) => r.text()).then(() => console.log(name));
  `)).toBe('one\ntwo\nthree');
});

test('the same with HTTP/2: idle sessions do not keep it, streams do', async () => {
  const { authority } = await serveH2((stream, headers) => void setTimeout(() => reply(stream, headers), 100));
  expect(await program(authority, `
    const pool = createH2Pool({ authority: origin, min: 2, acquireTimeoutMs: 60_000, pingIntervalMs: 10 });
    await pool.ready();
    pool.call({ ':path': '/' }).then(({ status }) => console.log(status));
  `)).toBe('200');
});

test('without undici it says what is missing', async () => {
  expect(await program('', `
    try { createDispatcher(); } catch (error) { console.log(error.code, error.message.includes('npm install undici')); }
  `)).toBe('ERR_POOL_DRIVER_MISSING true');
});
