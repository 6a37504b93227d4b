// Pools by address: limits per address and over all, one memory of TLS sessions, Unix sockets beside ports.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTcpPools, type TcpAddress } from 'millpond/tcp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ask, LineServer } from '../support/line-server.ts';
import { failureOf, until } from '../support/postgres.ts';

const folder = mkdtempSync(join(tmpdir(), 'millpond-tcp-'));
const path = join(folder, 'line.sock');
let one: LineServer;
let two: LineServer;
let local: LineServer;
beforeAll(async () => {
  [one, two, local] = await Promise.all([LineServer.start(), LineServer.start(), LineServer.start({ path })]);
});
afterAll(async () => {
  await Promise.all([one, two, local].map((server) => server[Symbol.asyncDispose]()));
  rmSync(folder, { recursive: true, force: true });
});

it('has a pool per address, and no more connections than each address and all together may have', async () => {
  await using pools = createTcpPools({ max: 2, maxTotal: 3, acquireTimeoutMs: 60_000 });
  const busy = async (address: TcpAddress): Promise<string> => pools.use(address, (socket) => ask(socket, 'LATE 10 done'));
  const most = { one: 0, two: 0, all: 0 };
  const look = setInterval(() => {
    most.one = Math.max(most.one, one.connections.size);
    most.two = Math.max(most.two, two.connections.size);
    most.all = Math.max(most.all, one.connections.size + two.connections.size);
  }, 1);
  const answers = await Promise.all(Array.from({ length: 24 }, (_, index) => busy(index % 2 === 0 ? one.address : two.address)));
  clearInterval(look);
  expect(new Set(answers)).toEqual(new Set(['done']));
  expect(most.one).toBeLessThanOrEqual(2);
  expect(most.two).toBeLessThanOrEqual(2);
  expect(most.all).toBeLessThanOrEqual(3);
  expect(pools.stats()).toMatchObject({ keys: 2 });
});

it('knows an address again, however it is written, and a Unix socket by its path', async () => {
  await using pools = createTcpPools({ max: 1, family: 4 });
  const ids: number[] = [];
  for (const host of ['localhost', 'LocalHost', undefined]) {
    const address = host === undefined ? { port: one.port } : { host, port: one.port };
    ids.push(await pools.use(address, (socket) => one.idOf(socket)));
  }
  expect(new Set(ids).size).toBe(1);
  expect(await pools.use({ path }, (socket) => ask(socket, 'hello'))).toBe('hello');
  expect([...pools.stats().perKey.keys()]).toEqual([`localhost:${one.port}`, path]);
  pools.evict({ path });
  await until('the Unix socket to be closed', () => local.connections.size, (size) => size === 0);
});

it('does not take the name of a Unix socket for a host and a port', async () => {
  await using pools = createTcpPools({ max: 1, createRetry: false });
  expect(await pools.use({ host: '127.0.0.1', port: one.port }, (socket) => ask(socket, 'hello'))).toBe('hello');
  const error = await failureOf(pools.acquire({ path: `127.0.0.1:${one.port}` }));
  expect(error).toMatchObject({ code: 'ERR_POOL_CREATE_FAILED', cause: { code: 'ENOENT' } });
});

it('tells whoever names a wrong address, and nobody else', async () => {
  await using pools = createTcpPools({ name: 'lines' });
  const wrong: [unknown, string][] = [
    [{ host: 'localhost' }, 'port'], [{ port: 70_000 }, 'port'], [{ port: '80' }, 'port'], [{ host: '', port: 1 }, 'host'],
    [{ path: '' }, 'path'], [{ path: '/x', port: 1 }, 'path'], [null, 'address'], ['localhost:80', 'address'],
  ];
  for (const [address, option] of wrong) {
    expect(await failureOf(pools.acquire(address as TcpAddress))).toMatchObject({ code: 'ERR_POOL_INVALID_OPTION', option, pool: 'lines' });
  }
  expect(pools.stats().keys).toBe(0);
  expect(await pools.use(one.address, (socket) => ask(socket, 'hello'))).toBe('hello');
});
