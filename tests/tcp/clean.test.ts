// What one borrower leaves must not reach the next.

import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { makeCertificate } from '@millpond/lab/certificate';
import type { Pool } from 'millpond';
import { createTcpPool, type TcpPoolOptions } from 'millpond/tcp';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ask, LineServer, readLine } from '../support/line-server.ts';
import { until } from '../support/postgres.ts';

let server: LineServer;
beforeAll(async () => {
  server = await LineServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

/** A pool of one, and why it let go of what it had. */
function poolOfOne(options: Partial<TcpPoolOptions> = {}): { pool: Pool<Socket>; ends: { reason: string; error?: unknown }[] } {
  const pool = createTcpPool({ ...server.address, max: 1, name: 'one', ...options } as TcpPoolOptions);
  const ends: { reason: string; error?: unknown }[] = [];
  pool.on('destroy', ({ reason, error }) => ends.push({ reason, error }));
  return { pool, ends };
}

/** Says something that nobody asked for, on the connection that the pool has. */
async function blurt(pool: Pool<Socket>, text: string): Promise<void> {
  const id = await pool.use((socket) => server.idOf(socket));
  server.connections.get(id)!.write(text);
}

it('bytes that arrive on an idle connection end it, and nobody reads them', async () => {
  const { pool, ends } = poolOfOne();
  await using _pool = pool;
  await blurt(pool, 'an answer to nobody\n');
  await until('the connection to go', () => ends.length, (count) => count === 1);
  expect(ends).toMatchObject([{ reason: 'broken', error: { code: 'ERR_POOL_UNEXPECTED_DATA', pool: 'one' } }]);
  expect(String(ends[0]!.error)).not.toContain('nobody\n');
  expect(await pool.use((socket) => ask(socket, 'mine'))).toBe('mine');
  expect(pool.stats().totals.created).toBe(2);
});

it('bytes that arrive between the lending and the first write do not reach the borrower either', async () => {
  const { pool } = poolOfOne();
  await using _pool = pool;
  const id = await pool.use((socket) => server.idOf(socket));
  const lease = await pool.acquire();
  const heard: string[] = [];
  lease.resource.on('data', (chunk) => heard.push(String(chunk)));
  const failed = once(lease.resource, 'error');
  server.connections.get(id)!.write('late for somebody else\n');
  expect(await failed).toMatchObject([{ code: 'ERR_POOL_UNEXPECTED_DATA' }]);
  expect(heard).toEqual([]);
  lease.release();
  expect(await pool.use((socket) => ask(socket, 'mine'))).toBe('mine');
});

it('a connection that is given back before its answer came is not lent with that answer in it', async () => {
  const { pool, ends } = poolOfOne();
  await using _pool = pool;
  await pool.use((socket) => void socket.write('LATE 20 not yours\n'));
  await until('the answer to have come', () => ends.length, (count) => count === 1);
  expect(await pool.use((socket) => ask(socket, 'mine'))).toBe('mine');
});

it('what is left unread, unwritten or changed for good ends a connection', async () => {
  const { pool, ends } = poolOfOne();
  await using _pool = pool;
  const leave = async (what: (socket: Socket) => unknown): Promise<string> => {
    ends.length = 0;
    await pool.use(what);
    const [{ reason, error } = { reason: 'nothing', error: undefined }] = await until('its end', () => ends, (all) => all.length > 0);
    expect(reason).toBe('resetFailed');
    return (error as Error).message;
  };
  expect(await leave(async (socket) => {
    socket.write('two\nlines\n');
    await until('both', () => socket.readableLength, (length) => length >= 'two\nlines\n'.length);
    expect(String(socket.read(4))).toBe('two\n');
  })).toBe('it was given back with 6 bytes that nobody had read');
  expect(await leave((socket) => socket.setEncoding('utf8'))).toContain('encoding');
  expect(await leave((socket) => new PassThrough().pipe(socket))).toContain('piped into it');
});

it('what is still to be written when a connection comes back is written before it is closed', async () => {
  const { cert, key } = makeCertificate('localhost');
  await using secure = await LineServer.start({ tls: { cert, key } });
  const { pool, ends } = poolOfOne({ ...secure.address, tls: { ca: cert, servername: 'localhost' } });
  await using _pool = pool;
  const text = `${'x'.repeat(3_000_000)}\n`;
  await pool.use((socket) => void socket.write(text));
  await until('its end', () => ends.length, (count) => count === 1);
  expect(ends).toMatchObject([{ reason: 'resetFailed', error: { message: expect.stringMatching(/bytes still to be written/) } }]);
  expect(secure.heard.length).toBe(text.length);
});

it('listeners, pipes, timeouts, pauses and corks do not outlive the lease, and those that were there come back', async () => {
  const { pool } = poolOfOne();
  await using _pool = pool;
  const lease = await pool.acquire();
  const { resource: socket } = lease;
  const events = socket.eventNames();
  const heard: string[] = [];
  for (const name of ['data', 'end', 'close', 'error', 'drain', 'mine']) socket.on(name, () => heard.push(name));
  socket.pipe(new PassThrough());
  socket.removeAllListeners('error');
  socket.setTimeout(1, () => heard.push('timeout'));
  socket.pause().cork();
  lease.release();
  const again = await pool.acquire();
  expect(again.resource).toBe(socket);
  expect(socket.eventNames()).toEqual(expect.arrayContaining(events));
  expect(socket.eventNames()).toHaveLength(events.length);
  expect(socket).toMatchObject({ readableFlowing: null, writableCorked: 0, timeout: 0 });
  expect(socket.isPaused()).toBe(false);
  expect(await ask(socket, 'still working')).toBe('still working');
  // Without the listener that was taken away this would end the process.
  await server.kill(socket);
  await until('its end', () => socket.closed, (closed) => closed);
  again.release();
  expect(heard).toEqual([]);
});

it('however the one before has read, an answer that comes before its listener waits for it', async () => {
  const { pool } = poolOfOne();
  await using _pool = pool;
  const readers: ((socket: Socket) => Promise<unknown>)[] = [
    (socket) => readLine(socket),
    (socket) => once(socket, 'readable').then(() => socket.read() as unknown),
    // Left behind.
    (socket) => new Promise((resolve) => { socket.on('readable', () => resolve(socket.read())); }),
    (socket) => new Promise((resolve) => { socket.on('readable', () => resolve(socket.read())).pause(); }),
    (socket) => { socket.pause(); return once(socket.resume(), 'data'); },
    (socket) => once(socket.pipe(new PassThrough()), 'data'),
  ];
  for (const read of readers) {
    await pool.use((socket) => {
      socket.write('hello\n');
      return read(socket);
    });
    await pool.use(async (socket) => {
      socket.write('patience\n');
      await until('the answer', () => socket.readableLength, (length) => length === 'patience\n'.length);
      expect(await readLine(socket)).toBe('patience');
    });
  }
  expect(pool.stats().totals.created).toBe(1);
});

it('nor does it vanish when the one before took his listener away as he gave the connection back', async () => {
  const { pool } = poolOfOne();
  await using _pool = pool;
  const lease = await pool.acquire();
  const { resource } = lease;
  const listener = (): void => undefined;
  resource.on('readable', listener);
  await until('it to be heard', () => resource.readableFlowing, (flowing) => flowing === false);
  resource.off('readable', listener);
  lease.release();
  await pool.use(async (socket) => {
    expect(socket).toBe(resource);
    socket.write('patience\n');
    await until('the answer', () => socket.readableLength, (length) => length === 'patience\n'.length);
    expect(await readLine(socket)).toBe('patience');
  });
});

it('what a borrower said about keeping the process alive does not outlive his lease', async () => {
  const { pool } = poolOfOne();
  await using _pool = pool;
  const keepsAlive = (socket: Socket): boolean => (socket as never as { _handle: { hasRef(): boolean } })._handle.hasRef();
  const { resource: socket } = await pool.use((borrowed) => ({ resource: borrowed.unref() }));
  await pool.use((again) => {
    again.write('x\n');
    expect([again, keepsAlive(again)]).toEqual([socket, true]);
    return readLine(again);
  });
  await until('it to rest', () => keepsAlive(socket), (does) => !does);
  await pool.use((again) => void again.ref());
  expect(keepsAlive(socket)).toBe(false);
});
