// What pools of sockets do to the process they live in, seen from outside.

import { makeCertificate } from '@millpond/lab/certificate';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CompiledLibrary, runProgram, type Program } from '../support/compiled.ts';
import { LineServer } from '../support/line-server.ts';
import { until } from '../support/postgres.ts';

const library = new CompiledLibrary();
const { cert, key } = makeCertificate('localhost');
let plain: LineServer;
let secure: LineServer;
beforeAll(async () => {
  [plain, secure] = await Promise.all([LineServer.start(), LineServer.start({ tls: { cert, key } })]);
  await library.compile();
}, 60_000);
afterAll(async () => {
  library.remove();
  await Promise.all([plain[Symbol.asyncDispose](), secure[Symbol.asyncDispose]()]);
});

/** Runs a module that finds createTcpPool, `plain` and `secure` (options for each server) and `ask` at hand. */
function run(code: string): Program {
  return runProgram(`import { createTcpPool } from ${library.specifier('adapters/tcp/index.js')};
import { once } from 'node:events';
const plain = { host: '127.0.0.1', port: ${plain.port} };
const secure = { host: '127.0.0.1', port: ${secure.port}, tls: { ca: ${JSON.stringify(cert)}, servername: 'localhost' } };
const ask = async (socket, line) => {
  socket.write(line + '\\n');
  return String((await once(socket, 'data'))[0]).trimEnd();
};
const validate = async (socket) => await ask(socket, 'PING') === 'PONG';
${code}`);
}

it.each(['plain', 'secure'])('an idle pool keeps no process alive, nor do its sockets (%s)', async (how) => {
  const program = run(`
    const pool = createTcpPool({ ...${how}, min: 2, max: 4, keepaliveIntervalMs: 300, validate });
    await pool.ready();
    await Promise.all([1, 2, 3].map((n) => pool.use((socket) => ask(socket, 'LATE 150 ' + n))));
    console.log('done');`);
  expect(await program.ended, program.said()).toBe(0);
  expect(program.said()).toBe('done\n');
  await until('the server to see it', () => plain.connections.size + secure.connections.size, (size) => size === 0);
});

it.each(['plain', 'secure'])('a borrower who waits for an answer keeps it alive, also after a long rest (%s)', async (how) => {
  const program = run(`
    const pool = createTcpPool({ ...${how}, max: 1 });
    await pool.use((socket) => ask(socket, 'hello'));
    await new Promise((resolve) => setTimeout(resolve, 400)); // long enough at rest to be no reason to go on
    pool.use((socket) => ask(socket, 'LATE 500 at last')).then(console.log);`);
  expect(await program.ended, program.said()).toBe(0);
  expect(program.said()).toBe('at last\n');
});

it('sockets that die while they are idle or borrowed, with nobody listening, do not end it', async () => {
  const program = run(`
    const pool = createTcpPool({ ...plain, min: 3, max: 3 });
    await pool.ready();
    const lease = await pool.acquire();
    console.log(await ask(lease.resource, 'ready'));
    while (!lease.resource.closed) await new Promise((resolve) => setTimeout(resolve, 10));
    lease.release();
    console.log(await pool.use((socket) => ask(socket, 'alive')));
    await pool.close();`);
  await until('it to be ready', program.said, (said) => said.includes('ready'));
  await until('all of them', () => plain.connections.size, (size) => size === 3);
  for (const socket of plain.connections.values()) socket.resetAndDestroy();
  expect(await program.ended, program.said()).toBe(0);
  expect(program.said()).toBe('ready\nalive\n');
});
