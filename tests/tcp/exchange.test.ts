// One exchange on a borrowed socket: it ends, and whatever ends it in its middle ends the connection.

import { once } from 'node:events';
import { Socket } from 'node:net';
import type { Pool } from 'millpond';
import { createTcpPool, exchange } from 'millpond/tcp';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { ask, LineServer } from '../support/line-server.ts';
import { failureOf, until } from '../support/postgres.ts';

let server: LineServer;
let pool: Pool<Socket>;
beforeAll(async () => {
  server = await LineServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => {
  pool = createTcpPool({ ...server.address, max: 1, name: 'lines' });
});
afterEach(() => pool.close());

/** How many connections it took so far, the one that answers now included. */
async function connections(): Promise<number> {
  expect(await pool.use((socket) => exchange(socket, () => ask(socket, 'well?'), { timeoutMs: 60_000 }))).toBe('well?');
  return pool.stats().totals.created;
}

it('that succeeds leaves the connection to the next one, and nothing on it', async () => {
  await pool.use(async (socket) => {
    const before = socket.listenerCount('close');
    const { signal } = new AbortController();
    expect(await exchange(socket, (same) => ask(same, 'hello'), { timeoutMs: 60_000, signal })).toBe('hello');
    expect(await exchange(socket, () => 'at once')).toBe('at once');
    expect(socket.listenerCount('close')).toBe(before);
  });
  expect(await connections()).toBe(1);
});

it('that is late, called off, or fails by itself ends the connection: the rest of the answer may still come', async () => {
  const abort = new AbortController();
  const slow = (socket: Socket): Promise<string> => ask(socket, 'LATE 60000 too late');
  const failures = [
    await failureOf(pool.use((socket) => exchange(socket, slow, { timeoutMs: 20 }))),
    await failureOf(pool.use((socket) => {
      const answer = exchange(socket, slow, { signal: abort.signal });
      abort.abort(new Error('the client hung up'));
      return answer;
    })),
    await failureOf(pool.use((socket) => exchange(socket, async () => {
      await ask(socket, 'hello');
      throw new Error('I cannot read this');
    }))),
    await failureOf(pool.use((socket) => exchange(socket, () => { throw new Error('not even begun'); }))),
  ];
  expect(failures[0]).toMatchObject({ code: 'ERR_POOL_EXCHANGE_TIMEOUT', pool: 'lines', name: 'ExchangeTimeoutError' });
  expect(failures.slice(1).map((error) => error?.message)).toEqual(['the client hung up', 'I cannot read this', 'not even begun']);
  expect(await connections()).toBe(5);
});

it('whose connection is lost says so, however the work waits', async () => {
  const ways: ((socket: Socket) => Promise<unknown>)[] = [
    (socket) => ask(socket, 'LATE 60000 too late'),
    (socket) => once(socket, 'something else'),
    () => new Promise(() => {}),
  ];
  for (const way of ways) {
    const error = await failureOf(pool.use(async (socket) => {
      const id = await server.idOf(socket);
      const answer = exchange(socket, way);
      server.connections.get(id)!.resetAndDestroy();
      return answer;
    }));
    expect(error).toMatchObject({ code: 'ERR_POOL_CONNECTION_LOST', retryable: false, cause: { code: 'ECONNRESET' } });
  }
  const closed = await failureOf(pool.use((socket) => exchange(socket, () => { socket.write('BYE\n'); return new Promise(() => {}); })));
  const cause = { message: 'the other end closed the connection' };
  expect(closed).toMatchObject({ code: 'ERR_POOL_CONNECTION_LOST', retryable: false, cause });
});

it('on a connection that is dead already does not begin', async () => {
  const lease = await pool.acquire();
  const { resource: socket } = lease;
  await server.kill(socket);
  await until('its end', () => socket.closed, (closed) => closed);
  let begun = false;
  const error = await failureOf(exchange(socket, () => { begun = true; }));
  lease.release();
  expect(error).toMatchObject({ code: 'ERR_POOL_CONNECTION_LOST', retryable: true });
  expect(begun).toBe(false);
  const aborted = AbortSignal.abort(new Error('never mind'));
  await expect(pool.use((other) => exchange(other, () => { begun = true; }, { signal: aborted }))).rejects.toThrow('never mind');
  expect(begun).toBe(false);
  expect(await connections()).toBe(2);
});

it('refuses what is no deadline and no socket of a pool', async () => {
  await pool.use(async (socket) => {
    for (const timeoutMs of [0, -1, Number.NaN]) {
      const refused = { code: 'ERR_POOL_INVALID_OPTION', option: 'timeoutMs' };
      await expect(exchange(socket, () => 1, { timeoutMs })).rejects.toMatchObject(refused);
    }
  });
  await expect(exchange(new Socket(), () => 1)).rejects.toThrow('millpond/tcp');
});
