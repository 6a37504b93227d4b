// What an agent does to the process it lives in, seen from outside: programs of their own, on a compiled copy of the library.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { compiledLibrary, runProgram } from '../support/compiled.ts';
import { serve } from './stage.ts';

const library = compiledLibrary();

/** Runs a module that finds HttpAgent, http and the origin at hand; it must end by itself, and well. Returns what it said. */
async function program(origin: string, code: string): Promise<string> {
  const { said, ended } = runProgram(`import http from 'node:http';
import { HttpAgent } from ${JSON.stringify(pathToFileURL(join(library, 'millpond', 'adapters', 'http', 'index.js')).href)};
const origin = ${JSON.stringify(origin)};
const get = (agent, path = '/') => new Promise((resolve, reject) => {
  http.get(origin + path, { agent }, (response) => response.resume().on('end', resolve)).on('error', reject);
});
${code}`);
  const end = await ended;
  expect([end, said()]).toEqual([0, said()]);
  return said().trim();
}

test('ends by itself with idle connections that nobody closed, used and warm ones', async () => {
  const { origin } = await serve((_, response) => response.end());
  expect(await program(origin, `
    const agent = new HttpAgent({ keepAliveTimeoutMs: Infinity, acquireTimeoutMs: 60_000 });
    await Promise.all([get(agent), get(agent)]);
    await agent.warm(origin, { min: 4 });
    console.log('done');
  `)).toBe('done');
});

test('lives for as long as a request waits or runs', async () => {
  const { origin } = await serve((_, response) => void setTimeout(() => response.end(), 200));
  expect(await program(origin, `
    const agent = new HttpAgent({ max: 1, acquireTimeoutMs: 60_000 });
    const said = [];
    for (const name of ['one', 'two', 'three']) get(agent).then(() => said.push(name)).then(() => console.log(name));
  `)).toBe('one\ntwo\nthree');
});

test('survives whatever connections do, with no listener anywhere but on its requests', async () => {
  const { origin } = await serve((request, response) => {
    const { socket } = request;
    if (request.url === '/idle') {
      response.end();
      response.on('finish', () => setImmediate(() => socket.resetAndDestroy()));
    } else if (request.url === '/garbage') {
      socket.write('this is not HTTP\r\n\r\n');
    } else if (request.url === '/stray') {
      response.end();
      response.on('finish', () => setImmediate(() => socket.write('HTTP/1.1 200 OK\r\n\r\n')));
    } else {
      socket.resetAndDestroy();
    }
  });
  expect(await program(origin, `
    const agent = new HttpAgent({ acquireTimeoutMs: 60_000 });
    for (let nth = 0; nth < 20; nth++) {
      for (const path of ['/idle', '/stray']) {
        await get(agent, path);
        // Bytes that come when the next request is out are its answer, for all that anybody can tell.
        while (agent.stats().size > 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      for (const path of ['/garbage', '/reset']) await get(agent, path).then(() => console.log('an answer?'), () => undefined);
    }
    // One that is destroyed before anything happened, without a word, and one whose errors nobody hears of after that.
    for (let nth = 0; nth < 20; nth++) http.get(origin, { agent }).on('error', () => undefined).destroy();
    console.log(agent.stats().waiting);
    await agent.close();
  `)).toBe('0');
});
