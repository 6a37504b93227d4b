// Connections that die, servers that come back, and silence.

import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createTcpPool, exchange, tcpFactory } from 'millpond/tcp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, LineServer } from '../support/line-server.ts';
import { until } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';

let server: LineServer;
beforeAll(async () => {
  server = await LineServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

/** To the client a connection is there before the server has taken it. */
async function accepted(count: number): Promise<void> {
  await until('the server to have all of them', () => server.connections.size, (size) => size === count);
}

it('a connection that the server closes or resets while it is idle leaves at once, and min is filled again', async () => {
  await using pool = createTcpPool({ ...server.address, min: 2 });
  const reasons: string[] = [];
  pool.on('destroy', ({ reason, error }) => reasons.push(`${reason}: ${(error as Error | undefined)?.message}`));
  await pool.ready();
  await accepted(2);
  const [one, two] = [...server.connections.values()];
  one!.end();
  await until('a third', () => pool.stats(), ({ idle, totals }) => totals.created === 3 && idle === 2);
  two!.resetAndDestroy();
  await until('a fourth', () => pool.stats(), ({ idle, totals }) => totals.created === 4 && idle === 2);
  expect(reasons).toEqual(['broken: the other end closed the connection', 'broken: read ECONNRESET']);
});

it('a connection that was lost before anybody listened says so to whoever comes to listen', async () => {
  const factory = tcpFactory({ ...server.address });
  const { signal } = new AbortController();
  const socket = await factory.create({ signal, attempt: 1 });
  await server.kill(socket);
  await until('its end', () => socket.closed, (closed) => closed);
  const causes: unknown[] = [];
  factory.onLost!(socket, (cause) => causes.push(cause));
  expect(causes).toMatchObject([{ code: 'ECONNRESET' }]);
});

it('a borrower reads what came before the end, and the connection is not lent again', async () => {
  await using pool = createTcpPool({ ...server.address, max: 1 });
  await pool.use(async (socket) => {
    const ended = once(socket, 'end');
    socket.write('one more thing\nBYE\n');
    const [chunk] = await once(socket, 'data') as [Buffer];
    expect(String(chunk)).toBe('one more thing\n');
    await ended;
  });
  expect(await pool.use((socket) => ask(socket, 'hello'))).toBe('hello');
  expect(pool.stats().totals).toMatchObject({ created: 2, destroyed: { broken: 1 } });
});

it('the pool is whole again by itself after the server was', async () => {
  await using mortal = await LineServer.start();
  await using pool = createTcpPool({ ...mortal.address, min: 3, createRetry: { maxDelayMs: 100 } });
  await pool.ready();
  const lease = await pool.acquire();
  await mortal.crash();
  await until('it to notice', () => pool.stats(), ({ idle, totals }) => idle === 0 && totals.createErrors > 0);
  lease.release();
  await mortal.listen();
  await until('three again', () => pool.stats(), ({ idle }) => idle === 3);
  expect(await pool.use((socket) => ask(socket, 'hello'))).toBe('hello');
});

it('whoever accepts and closes is not stormed', async () => {
  let taken = 0;
  const fickle = createServer((socket) => {
    taken++;
    socket.on('error', () => {}).resume().end();
  }).listen(0, '127.0.0.1');
  await once(fickle, 'listening');
  const { port } = fickle.address() as AddressInfo;
  const pool = createTcpPool({ host: '127.0.0.1', port, min: 2, max: 2, createRetry: { initialDelayMs: 60_000, maxDelayMs: 60_000 } });
  // The first ones are replaced at once, the others after pauses that grow. A storm brings one or more with each turn of the loop, of
  // which a round trip to somebody else takes several.
  await until('some to have died', () => taken, (count) => count > 2);
  await using other = createTcpPool({ ...server.address });
  for (let i = 0; i < 200; i++) await other.use((socket) => ask(socket, 'tick'));
  expect(taken).toBeLessThan(60);
  await pool.close();
  await new Promise((closed) => fickle.close(closed));
});

describe('half-open TCP', () => {
  const validate = async (socket: Socket): Promise<boolean> => await ask(socket, 'PING') === 'PONG';
  /** Old connections fall silent; new ones pass. */
  const silenceOld = (proxy: TcpProxy): void => {
    const old = new Set(proxy.open);
    proxy.silence();
    proxy.resume((passage) => !old.has(passage));
  };

  it('is noticed before lending when the connection was idle: one probe for all of them', async () => {
    await using proxy = await TcpProxy.start({ port: server.port });
    await using pool = createTcpPool({
      host: '127.0.0.1', port: proxy.port, max: 4, validate, validateAfterIdleMs: 50, validateTimeoutMs: 200,
    });
    const leases = await Promise.all(Array.from({ length: 4 }, () => pool.acquire()));
    for (const lease of leases) {
      await ask(lease.resource, 'hello');
      lease.release();
    }
    silenceOld(proxy);
    await new Promise((resolve) => { setTimeout(resolve, 100); });
    expect(await pool.use((socket) => ask(socket, 'hello'))).toBe('hello');
    expect(pool.stats().totals.destroyed).toMatchObject({ invalid: 1, stale: 3 });
    expect(pool.stats().size).toBe(1);
  });

  it('is noticed by the probes of idle connections, and min is filled again', async () => {
    await using proxy = await TcpProxy.start({ port: server.port });
    await using pool = createTcpPool({
      host: '127.0.0.1', port: proxy.port, min: 2, max: 2, validate, keepaliveIntervalMs: 100, validateTimeoutMs: 200,
    });
    await pool.ready();
    await until('a probe of each', () => proxy.open.filter(({ fromServer }) => fromServer.length > 0).length, (count) => count === 2);
    silenceOld(proxy);
    await until('two others', () => pool.stats(), ({ totals, idle }) => totals.created >= 4 && idle === 2);
  });

  it('in the middle of an exchange ends with its deadline, and the connection with it', async () => {
    await using proxy = await TcpProxy.start({ port: server.port });
    await using pool = createTcpPool({ host: '127.0.0.1', port: proxy.port, max: 1 });
    await pool.use((socket) => ask(socket, 'hello'));
    silenceOld(proxy);
    await expect(pool.use((socket) => exchange(socket, () => ask(socket, 'hello'), { timeoutMs: 100 })))
      .rejects.toMatchObject({ code: 'ERR_POOL_EXCHANGE_TIMEOUT', timeoutMs: 100, retryable: false });
    expect(await pool.use((socket) => ask(socket, 'hello'))).toBe('hello');
    expect(pool.stats().totals.created).toBe(2);
  });

  it('keeps nobody from closing: what does not answer the end is cut off when its time is up', async () => {
    const held: Socket[] = [];
    const mute = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => held.push(socket)).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as AddressInfo;
    const pool = createTcpPool({ host: '127.0.0.1', port, min: 2, destroyTimeoutMs: 100 });
    const sockets: Socket[] = [];
    pool.on('create', ({ resource }) => sockets.push(resource));
    await pool.ready();
    await pool.close();
    expect(pool.stats()).toMatchObject({ size: 0, totals: { destroyTimeouts: 2 } });
    await until('both to be closed', () => sockets.filter(({ closed }) => closed).length, (count) => count === 2);
    for (const socket of held) socket.destroy();
    await new Promise((closed) => mute.close(closed));
  });
});

it('close says goodbye: every connection ends with FIN, after the last byte', async () => {
  const pool = createTcpPool({ ...server.address, min: 3 });
  await pool.ready();
  await accepted(3);
  const ends: unknown[] = [];
  for (const socket of server.connections.values()) socket.on('end', () => ends.push('end')).on('error', (error) => ends.push(error));
  await pool.close();
  await until('all to be gone', () => server.connections.size, (size) => size === 0);
  expect(ends).toEqual(['end', 'end', 'end']);
});
