// Pools of HTTP/2 sessions: what a session carries, and how it ends.

import { once } from 'node:events';
import http2, { type ServerHttp2Stream } from 'node:http2';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { makeCertificate } from '@millpond/lab/certificate';
import { KeyedPool } from 'millpond';
import { createH2Pool, h2Factory } from 'millpond/http';
import { expect, onTestFinished, test } from 'vitest';
import { failureOf, until } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';
import { h2PoolOf, reply, serveH2 } from './h2-stage.ts';

const post = (path: string): Record<string, string> => ({ ':method': 'POST', ':path': path });

/** Streams stay open until `end`. */
function held(): { readonly onStream: (stream: ServerHttp2Stream) => void; readonly streams: ServerHttp2Stream[]; end(): void } {
  const streams: ServerHttp2Stream[] = [];
  return {
    streams,
    onStream: (stream) => {
      streams.push(stream);
      stream.respond({ ':status': 200 });
      stream.write('begun');
      stream.resume();
    },
    end: () => { for (const stream of streams.splice(0)) stream.end(); },
  };
}

test('a call sends its body and resolves with status, headers, body and trailers', async () => {
  const stage = await serveH2(reply);
  const pool = h2PoolOf({ authority: stage.authority });
  const answer = await pool.call(post('/one'), 'sent');
  expect([answer.status, String(answer.body), answer.trailers['x-end']]).toEqual([200, '/one sent', 'yes']);
  expect(String((await pool.call({ ':path': '/two' })).body)).toBe('/two ');
  expect(stage.sessions).toHaveLength(1);
});

test('a hundred concurrent streams go over two sessions that carry fifty each', async () => {
  const hold = held();
  const stage = await serveH2(hold.onStream, { settings: { maxConcurrentStreams: 50 } });
  const pool = h2PoolOf({ authority: stage.authority, max: 2, acquireTimeoutMs: 60_000 });
  const calls = Array.from({ length: 101 }, (_, nth) => pool.call(post(`/${nth}`), 'x'));
  await until('a hundred streams', () => stage.open, (open) => open === 100);
  expect([stage.sessions.length, stage.mostOnOne, pool.stats().waiting]).toEqual([2, 50, 1]);
  const ending = setInterval(hold.end, 5);
  onTestFinished(() => clearInterval(ending));
  expect((await Promise.all(calls)).map(({ body }) => String(body))).toEqual(Array.from({ length: 101 }, () => 'begun'));
  expect(stage.mostOnOne).toBe(50);
});

test('sharing is the limit where it is less than the peer\'s', async () => {
  const hold = held();
  const stage = await serveH2(hold.onStream);
  const pool = h2PoolOf({ authority: stage.authority, max: 1, sharing: 3, acquireTimeoutMs: 60_000 });
  const calls = Array.from({ length: 4 }, () => pool.call(post('/'), 'x'));
  await until('three streams', () => stage.open, (open) => open === 3);
  expect(pool.stats().waiting).toBe(1);
  hold.end();
  await until('the fourth', () => hold.streams.length, (count) => count === 1);
  hold.end();
  await Promise.all(calls);
});

test('a limit that the peer changes while it runs is kept to, up and down', async () => {
  const hold = held();
  const stage = await serveH2(hold.onStream, { settings: { maxConcurrentStreams: 1 } });
  const pool = h2PoolOf({ authority: stage.authority, max: 1, acquireTimeoutMs: 60_000 });
  const calls = Array.from({ length: 6 }, () => pool.call(post('/'), 'x'));
  await until('one stream', () => stage.open, (open) => open === 1);
  stage.sessions[0]!.settings({ maxConcurrentStreams: 4 });
  await until('four streams', () => stage.open, (open) => open === 4);
  stage.sessions[0]!.settings({ maxConcurrentStreams: 2 });
  await once(stage.sessions[0]!, 'localSettings');
  const [first, second, ...others] = hold.streams.splice(0);
  for (const stream of others) stream.end();
  await until('two streams', () => stage.open, (open) => open === 2);
  first!.end();
  await until('the next one', () => hold.streams.length, (count) => count === 1);
  expect(stage.open).toBe(2);
  second!.end();
  const ending = setInterval(hold.end, 5);
  onTestFinished(() => clearInterval(ending));
  expect(await Promise.all(calls)).toHaveLength(6);
});

test('a stream is the caller\'s, in both directions, and its lease ends when it closes', async () => {
  const stage = await serveH2((stream) => {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  });
  const pool = h2PoolOf({ authority: stage.authority });
  const stream = await pool.request(post('/echo'));
  stream.write('there');
  expect(String((await once(stream, 'data') as [Buffer])[0])).toBe('there');
  expect(pool.stats()).toMatchObject({ borrowed: 1 });
  stream.end(' and back');
  expect(await text(stream)).toBe(' and back');
  await until('the end of the lease', () => pool.stats(), ({ idle }) => idle === 1);
});

test('whoever waits leaves at once when the signal aborts or the time is up', async () => {
  const hold = held();
  const stage = await serveH2(hold.onStream, { settings: { maxConcurrentStreams: 1 } });
  const pool = h2PoolOf({ authority: stage.authority, max: 1, acquireTimeoutMs: 60_000 });
  const stream = await pool.request(post('/'));
  await until('it', () => stage.open, (open) => open === 1);
  const controller = new AbortController();
  const aborted = failureOf(pool.request(post('/'), { signal: controller.signal }));
  const reason = new Error('enough');
  controller.abort(reason);
  expect(await aborted).toBe(reason);
  expect(await failureOf(pool.request(post('/'), { timeoutMs: 5 }))).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' });
  expect(await failureOf(pool.call(post('/'), 'x', { timeoutMs: 5 }))).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' });
  expect(stage.open).toBe(1);
  stream.close();
});

test('a signal or a deadline ends the stream with CANCEL, and no other', async () => {
  const hold = held();
  const codes: (number | undefined)[] = [];
  const stage = await serveH2((stream) => {
    hold.onStream(stream);
    stream.on('close', () => codes.push(stream.rstCode));
  });
  const pool = h2PoolOf({ authority: stage.authority, max: 1 });
  const stays = pool.call(post('/stays'), 'x');
  const controller = new AbortController();
  const reason = new Error('enough');
  const stream = await pool.request(post('/'), { signal: controller.signal });
  const failed = once(stream, 'error');
  const called = failureOf(pool.call(post('/'), 'x', { signal: controller.signal }));
  await until('all three', () => stage.open, (open) => open === 3);
  controller.abort(reason);
  expect((await failed)[0]).toBe(reason);
  expect(await called).toBe(reason);
  const late = await failureOf(pool.call(post('/'), 'x', { timeoutMs: 300 }));
  expect(late).toMatchObject({ code: 'ERR_POOL_CALL_TIMEOUT', timeoutMs: 300, retryable: false });
  await until('three that are cancelled', () => codes, (all) => all.length === 3);
  expect(codes).toEqual([8, 8, 8]);
  hold.end();
  expect((await stays).status).toBe(200);
  expect(stage.sessions).toHaveLength(1);
});

test('a call that is called off rejects with the reason as it is, also one that is no error', async () => {
  const hold = held();
  const stage = await serveH2(hold.onStream);
  const pool = h2PoolOf({ authority: stage.authority });
  const controller = new AbortController();
  const called = pool.call(post('/'), 'x', { signal: controller.signal }).then(() => 'an answer', (error: unknown) => error);
  await until('it', () => stage.open, (open) => open === 1);
  controller.abort('enough');
  expect(await called).toBe('enough');
});

test('an answer that is larger than it may be, or cut short, is an error', async () => {
  const stage = await serveH2((stream, headers) => {
    stream.respond({ ':status': 200 });
    // What does not fit in the window is lost with the stream.
    stream.write('x'.repeat(headers[':path'] === '/' ? 1_000 : 1_000_000));
    if (headers[':path'] === '/cut') setImmediate(() => stream.close(http2.constants.NGHTTP2_CANCEL));
    else if (headers[':path'] === '/failed') setImmediate(() => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR));
    else stream.end();
  });
  const pool = h2PoolOf({ authority: stage.authority });
  const large = await failureOf(pool.call({ ':path': '/' }, undefined, { maxResponseSize: 999 }));
  expect(large).toMatchObject({ code: 'ERR_POOL_RESPONSE_TOO_LARGE' });
  expect(await failureOf(pool.call({ ':path': '/cut' }))).toMatchObject({ code: 'ERR_POOL_SESSION_LOST', retryable: false });
  expect(await failureOf(pool.call({ ':path': '/failed' }))).toMatchObject({ code: 'ERR_HTTP2_STREAM_ERROR' });
  expect((await pool.call({ ':path': '/' }, undefined, { maxResponseSize: 1_000 })).body).toHaveLength(1_000);
  expect(stage.sessions).toHaveLength(1);
});

test('a session that is told to go away answers what it has, and new streams go over another one', async () => {
  const hold = held();
  const stage = await serveH2((stream, headers) => headers[':path'] === '/old' ? hold.onStream(stream) : reply(stream, headers));
  const pool = h2PoolOf({ authority: stage.authority, max: 2 });
  const ends: unknown[] = [];
  pool.on('destroy', ({ error }) => ends.push(error));
  const old = pool.call(post('/old'), 'x');
  await until('it', () => stage.open, (open) => open === 1);
  stage.sessions[0]!.goaway(http2.constants.NGHTTP2_NO_ERROR);
  await until('a pool that knows', async () => {
    await pool.call(post('/new'), 'x');
    return stage.sessions.length;
  }, (count) => count === 2);
  expect(pool.stats()).toMatchObject({ size: 2 });
  hold.end();
  expect(String((await old).body)).toBe('begun');
  await until('the end of the old one', () => pool.stats(), ({ size }) => size === 1);
  expect(ends).toEqual([expect.objectContaining({ code: 'ERR_POOL_SESSION_LOST', message: expect.stringContaining('GOAWAY') })]);
});

test('what the peer refused unseen is sent again, POST included, and what it has looked at is not', async () => {
  let refusals = 2;
  const stage = await serveH2((stream, headers, session) => {
    if (headers[':path'] === '/refused' && refusals-- > 0) stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    else if (headers[':path'] === '/goaway' && refusals-- > 0) session.goaway(http2.constants.NGHTTP2_NO_ERROR, stream.id! - 2);
    else if (headers[':path'] === '/dead') session.destroy();
    else reply(stream, headers);
  });
  const pool = h2PoolOf({ authority: stage.authority, max: 3 });
  expect(String((await pool.call(post('/refused'), 'once')).body)).toBe('/refused once');
  expect(stage.seen).toEqual(['/refused', '/refused', '/refused']);
  refusals = 1;
  expect(String((await pool.call(post('/goaway'), 'once')).body)).toBe('/goaway once');
  expect(stage.sessions).toHaveLength(2);
  expect(await failureOf(pool.call(post('/dead'), 'once'))).toMatchObject({ code: 'ERR_POOL_SESSION_LOST', retryable: false });
  expect(stage.seen.filter((path) => path === '/dead')).toHaveLength(1);
  expect((await pool.call({ ':path': '/' })).status).toBe(200);
  refusals = 100;
  expect(await failureOf(pool.call(post('/refused'), 'x'))).toMatchObject({ code: 'ERR_POOL_SESSION_LOST', retryable: true });
});

test('a goodbye with an error costs what the peer has looked at, and nothing above the last stream that it names', async () => {
  const stage = await serveH2((stream, headers, session) => {
    if (headers[':path'] === '/seen') return;
    if (stage.sessions.length === 1) session.goaway(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM, stream.id! - 2);
    else reply(stream, headers);
  });
  const pool = h2PoolOf({ authority: stage.authority });
  const seen = failureOf(pool.call(post('/seen'), 'x'));
  await until('it', () => stage.open, (open) => open === 1);
  expect(String((await pool.call(post('/unseen'), 'once')).body)).toBe('/unseen once');
  expect(await seen).toMatchObject({ code: 'ERR_POOL_SESSION_LOST', retryable: false });
  expect(stage.seen).toEqual(['/seen', '/unseen', '/unseen']);
});

test('a refusal that comes after the head of an answer is not taken for one: the peer has looked at it', async () => {
  const frame = (type: number, flags: number, stream: number, payload: readonly number[] = []): Buffer =>
    Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, stream, ...payload]);
  let requests = 0;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write(Buffer.concat([frame(4, 0, 0), frame(4, 1, 0)]));
    let rest = Buffer.alloc(0);
    let at = 24;
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (; rest.length >= at + 9 && rest.length >= at + 9 + rest.readUIntBE(at, 3); at += 9 + rest.readUIntBE(at, 3)) {
        // HEADERS are answered with `:status: 200` and REFUSED_STREAM.
        if (rest[at + 3] !== 1) continue;
        requests++;
        const id = rest.readUInt32BE(at + 5);
        socket.write(Buffer.concat([frame(1, 4, id, [0x88]), frame(3, 0, id, [0, 0, 0, 7])]));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const pool = h2PoolOf({ authority: `http://127.0.0.1:${(server.address() as { port: number }).port}` });
  expect(await failureOf(pool.call(post('/'), 'once'))).toMatchObject({ code: 'ERR_HTTP2_STREAM_ERROR' });
  expect(requests).toBe(1);
});

test('a half-open session is found out by a ping while streams are open, and before it is used again', async () => {
  const hold = held();
  const stage = await serveH2((stream, headers) => headers[':path'] === '/held' ? hold.onStream(stream) : reply(stream, headers));
  const proxy = await TcpProxy.start({ port: stage.port });
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  const pool = h2PoolOf({
    authority: `http://127.0.0.1:${proxy.port}`, max: 1, pingIntervalMs: 20, pingTimeoutMs: 200, validateAfterIdleMs: 0,
    validateTimeoutMs: 200, acquireTimeoutMs: 60_000,
  });
  const lost = failureOf(pool.call(post('/held'), 'x'));
  await until('it', () => stage.open, (open) => open === 1);
  proxy.silence();
  expect(await lost).toMatchObject({ code: 'ERR_POOL_SESSION_LOST', message: expect.stringContaining('no sign of life') });
  proxy.resume();
  expect((await pool.call(post('/'), 'x')).status).toBe(200);
  // In the turn in which it was given back a session is as alive as it was.
  await new Promise(setImmediate);
  proxy.silence();
  const next = pool.call(post('/'), 'x');
  await until('a new connection', () => proxy.passages.length, (count) => count === 3);
  proxy.resume();
  expect((await next).status).toBe(200);
  expect(pool.stats().totals.destroyed.invalid).toBe(1);
});

test('a peer that answers pings is left alone, however long it is silent otherwise', async () => {
  const hold = held();
  const stage = await serveH2(hold.onStream);
  const pool = h2PoolOf({ authority: stage.authority, pingIntervalMs: 5, pingTimeoutMs: 60_000 });
  let pings = 0;
  stage.server.on('session', (session) => session.on('ping', () => pings++));
  const call = pool.call(post('/'), 'x');
  await until('some pings', () => pings, (count) => count > 5);
  hold.end();
  expect((await call).status).toBe(200);
  const before = pings;
  await until('rest', () => pool.stats(), ({ idle }) => idle === 1);
  expect(pings - before).toBeLessThanOrEqual(1);
});

test('close waits for streams until the deadline and then ends them', async () => {
  const hold = held();
  const stage = await serveH2(hold.onStream);
  const pool = createH2Pool({ authority: stage.authority });
  const first = pool.call(post('/'), 'x');
  await until('it', () => stage.open, (open) => open === 1);
  const closing = pool.close({ deadlineMs: 60_000 });
  hold.end();
  expect((await first).status).toBe(200);
  expect(await closing).toEqual({ abandoned: [] });

  const other = createH2Pool({ authority: stage.authority });
  const cut = failureOf(other.call(post('/'), 'x'));
  await until('it', () => stage.open, (open) => open === 1);
  expect((await other.close({ deadlineMs: 0 })).abandoned).toHaveLength(1);
  expect(await cut).toMatchObject({ code: 'ERR_POOL_SESSION_LOST' });
  await until('no stream', () => stage.open, (open) => open === 0);
});

test('a server that does not speak HTTP/2, or has the wrong certificate, is told as a failed create', async () => {
  const plain = createServer((socket) => socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void plain.close());
  const { port } = plain.address() as { port: number };
  const pool = h2PoolOf({ authority: `http://127.0.0.1:${port}`, createRetry: false });
  expect(await failureOf(pool.call({ ':path': '/' }))).toMatchObject({ code: 'ERR_POOL_CREATE_FAILED' });

  const tls = makeCertificate('localhost');
  const stage = await serveH2(reply, { tls });
  const stranger = h2PoolOf({ authority: stage.authority });
  expect(await failureOf(stranger.call({ ':path': '/' }))).toMatchObject({ code: 'ERR_POOL_CREATE_FAILED', retryable: false });
  const friend = h2PoolOf({ authority: stage.authority, connect: { ca: tls.cert } });
  expect(String((await friend.call({ ':path': '/tls' })).body)).toBe('/tls ');
});

test('with KeyedPool there is a pool per authority', async () => {
  const stages = [await serveH2(reply), await serveH2(reply)];
  const pools = new KeyedPool({ factory: (authority: string) => h2Factory({ authority }), sharing: 100, maxTotal: 4 });
  onTestFinished(async () => { await pools.close({ deadlineMs: 0 }); });
  for (const { authority } of stages) {
    const said = await pools.use(authority, async (session) => text(session.request({ ':path': '/keyed' }).end()));
    expect(said).toBe('/keyed ');
  }
  expect(pools.stats().keys).toBe(2);
});

test('wrong options are named', () => {
  const authority = 'http://127.0.0.1';
  const wrong: readonly (readonly [object, string])[] = [
    [{}, 'authority'], [{ authority: 'nowhere' }, 'authority'], [{ authority: 'ftp://host' }, 'authority'],
    [{ authority, host: 'x' }, 'host'], [{ authority, connect: 7 }, 'connect'], [{ authority, pingIntervalMs: -1 }, 'pingIntervalMs'],
    [{ authority, pingTimeoutMs: 'x' }, 'pingTimeoutMs'], [{ authority, sharing: 0 }, 'sharing'],
    [{ authority, maxConcurrentStreams: 5 }, 'maxConcurrentStreams'],
  ];
  for (const [options, option] of wrong) {
    expect(() => createH2Pool(options as never)).toThrow(expect.objectContaining({ code: 'ERR_POOL_INVALID_OPTION', option }));
  }
  expect(() => createH2Pool({ authority: 'secret-in-the-wrong-place' })).not.toThrow(/secret/);
});
