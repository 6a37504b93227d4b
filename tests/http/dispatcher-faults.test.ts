// What servers and networks do to connections, and what of it a request may notice.

import type { RequestListener } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { makeCertificate } from '@millpond/lab/certificate';
import { startHaproxy } from '@millpond/lab/haproxy';
import { startNginx, type NginxOptions } from '@millpond/lab/nginx';
import type { AcquireTimeoutError } from 'millpond';
import * as undici from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { failureOf, sleep, until } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';
import { seeded } from '../support/seeded.ts';
import { dispatcherOf, get, statsOf, type TestDispatcher } from './dispatcher-stage.ts';
import { Gate, serve, withProgram } from './stage.ts';

const hello: RequestListener = (request, response) => {
  void text(request).then((body) => response.end(`hello ${body}`));
};

/** A server that answers the n-th request of a connection with what `answer` says: null closes the connection without a word. */
async function rawServer(
  answer: (nthOfConnection: number, nthConnection: number) => string | null,
): Promise<{ readonly origin: string; readonly requests: string[]; readonly sockets: Socket[] }> {
  const requests: string[] = [];
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    const connection = sockets.push(socket);
    let nth = 0;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      requests.push(String(chunk).split('\r\n', 1)[0]!);
      const said = answer(++nth, connection);
      if (said === null) socket.destroy();
      else socket.write(said);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { origin: `http://127.0.0.1:${(server.address() as { port: number }).port}`, requests, sockets };
}

/** What undici says of a connection that the other side has ended. */
const LOSS = /^(?:UND_ERR_SOCKET|ECONNRESET|EPIPE)$/;
const HALF = 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Makes sure that the next request finds a connection that was used before. */
async function used(dispatcher: TestDispatcher, origin: string): Promise<void> {
  await get(dispatcher, origin);
  await until('an idle connection', () => statsOf(dispatcher, origin).free, (free) => free === 1);
}

/** Requests with pauses between them that come near to the server's patience; returns how many failed. */
async function manyGets(
  dispatcher: undici.Dispatcher, url: string, total: number, options: { readonly pauseMs?: (random: () => number) => number } = {},
): Promise<unknown[]> {
  const failures: unknown[] = [];
  let left = total;
  const random = seeded(7);
  await Promise.all(Array.from({ length: 16 }, async () => {
    while (left-- > 0) {
      await get(dispatcher, url).catch((error: unknown) => failures.push(error));
      if (options.pauseMs !== undefined) await sleep(options.pauseMs(random));
    }
  }));
  return failures;
}

test('what may be done twice is sent again when a used connection dies before the first byte of the answer', async () => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']) {
    const { origin, requests, sockets } = await rawServer((nth, connection) => nth === 2 && connection === 1 ? null : OK);
    const dispatcher = dispatcherOf({ max: 1 });
    await used(dispatcher, origin);
    const { statusCode, body } = await undici.request(origin, { dispatcher, method, ...(method === 'PUT' ? { body: 'abc' } : {}) });
    await body.dump();
    expect([statusCode, sockets.length, statsOf(dispatcher).retries], method).toEqual([200, 2, 1]);
    expect(requests.filter((line) => line.startsWith(`${method} `)).length).toBe(method === 'GET' ? 3 : 2);
  }
});

test('POST is never sent again, nor what cannot be sent as it was, nor when told so', async () => {
  const wishes: readonly object[] = [
    { method: 'POST', body: 'abc' }, { method: 'PATCH', body: 'abc' }, { method: 'PUT', body: Readable.from(['abc']) },
    { method: 'GET', idempotent: false }, { method: 'GET', retry: false },
  ];
  for (const { retry = true, ...wish } of wishes as readonly (object & { readonly retry?: boolean })[]) {
    const { origin, requests } = await rawServer((nth, connection) => nth === 2 && connection === 1 ? null : OK);
    const dispatcher = dispatcherOf({ max: 1, retry });
    await used(dispatcher, origin);
    expect((await failureOf(get(dispatcher, origin, wish)))?.code, JSON.stringify(wish)).toMatch(LOSS);
    expect(requests).toHaveLength(2);
    expect(await get(dispatcher, origin)).toBe('ok');
  }
});

test('with idempotent a POST may be sent again', async () => {
  const { origin, requests } = await rawServer((nth, connection) => nth === 2 && connection === 1 ? null : OK);
  const dispatcher = dispatcherOf({ max: 1 });
  await used(dispatcher, origin);
  expect(await get(dispatcher, origin, { method: 'POST', body: 'abc', idempotent: true })).toBe('ok');
  expect(requests).toHaveLength(3);
});

test('nothing is sent again once a byte of the answer has come, nor on a connection that is new', async () => {
  const half = await rawServer((nth, connection) => nth === 2 && connection === 1 ? HALF : OK);
  const dispatcher = dispatcherOf({ max: 1 });
  await used(dispatcher, half.origin);
  const { body } = await undici.request(half.origin, { dispatcher });
  const reading = failureOf(body.text());
  half.sockets[0]!.destroy();
  expect(await reading).toMatchObject({ code: 'UND_ERR_SOCKET' });
  expect(half.requests).toHaveLength(2);

  const fresh = await rawServer(() => null);
  expect(await failureOf(get(dispatcherOf({ max: 1 }), fresh.origin))).toMatchObject({ code: 'UND_ERR_SOCKET' });
  expect(fresh.requests).toHaveLength(1);
});

test('a request that kills its server each time is not sent to it for ever', async () => {
  const { origin, requests } = await rawServer((nth) => nth === 2 ? null : OK);
  const dispatcher = dispatcherOf({ max: 6 });
  // Six used connections; each dies of its second request.
  await Promise.all(Array.from({ length: 6 }, () => get(dispatcher, origin)));
  await until('six idle connections', () => statsOf(dispatcher).free, (free) => free === 6);
  const before = requests.length;
  expect(await failureOf(get(dispatcher, origin))).toMatchObject({ code: 'UND_ERR_SOCKET' });
  expect(requests.length - before).toBe(4);
});

test('a server that closes at random after its answers costs no GET', async () => {
  const random = seeded(3);
  const stage = await serve((_request, response) => {
    response.end('hello');
    // Without having said so.
    if (random() < 0.1) response.socket?.once('drain', () => undefined).end();
  });
  const dispatcher = dispatcherOf({ max: 8, acquireTimeoutMs: 60_000 });
  expect(await manyGets(dispatcher, stage.origin, 3_000)).toEqual([]);
  expect(stage.sockets.length).toBeGreaterThan(50);
});

test('what the server says about its patience is kept to, with a margin: no request meets its end, POST included', async () => {
  const stage = await serve(hello, { keepAliveMs: 1_000 });
  const dispatcher = dispatcherOf({ max: 8, retry: false });
  await used(dispatcher, stage.origin);
  // A loop that stalls is no excuse: the server has closed by then, or is about to.
  const end = performance.now() + 700;
  while (performance.now() < end);
  expect(await get(dispatcher, stage.origin, { method: 'POST', body: 'late' })).toBe('hello late');
  expect(stage.sockets.length).toBe(2);
  expect(statsOf(dispatcher).retries).toBe(0);
});

test('a connection of which the server says that it takes no more is not used again', async () => {
  const said = OK.replace('\r\n\r\n', '\r\nKeep-Alive: timeout=60, max=0\r\n\r\n');
  const { origin, sockets } = await rawServer(() => said);
  const dispatcher = dispatcherOf({ retry: false });
  for (let nth = 0; nth < 3; nth++) expect(await get(dispatcher, origin, { method: 'POST', body: 'x' })).toBe('ok');
  expect(sockets.length).toBe(3);
});

test('a connection that nobody uses is closed before its server may be expected to, and warm ones are replaced', async () => {
  const { origin, sockets } = await rawServer(() => OK.replace('\r\n\r\n', '\r\nKeep-Alive: timeout=60\r\n\r\n'));
  const dispatcher = dispatcherOf({ keepAliveTimeoutMs: 50 });
  await dispatcher.warm(origin);
  await until('the third', () => sockets.length, (count) => count >= 3);
  expect(statsOf(dispatcher).pool.totals.destroyed).toMatchObject({ broken: 0 });
  // From here on the server has said how long it waits.
  await used(dispatcher, origin);
  await dispatcher.warm(origin, { min: 2 });
  const { length } = sockets;
  await sleep(200);
  expect(sockets.length).toBe(length);
});

test('a request that is sent again waits for connections for as long as one may wait, all in all', async () => {
  const gate = new Gate();
  const deaths = new Set(['/dies']);
  const { origin } = await serve(({ url, socket }, response) => {
    if (url === '/never') return;
    if (deaths.delete(url!)) socket.destroy();
    else gate.pass(() => response.end(url));
  });
  const dispatcher = dispatcherOf({ max: 1, acquireTimeoutMs: 3_000 });
  const first = get(dispatcher, origin);
  await until('it to be there', () => gate.held, (held) => held === 1);
  const dies = failureOf(get(dispatcher, `${origin}/dies`));
  const never = failureOf(get(dispatcher, `${origin}/never`));
  await sleep(2_000);
  gate.next();
  await first;
  const error = await dies as AcquireTimeoutError;
  expect(error).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' });
  // The second time: what was left of its three seconds.
  expect(error.waitedMs).toBeLessThan(3_000);
  expect(statsOf(dispatcher)).toMatchObject({ retries: 1, running: 1 });
  await dispatcher.destroy();
  await never;
});

test('an abort while a request waits to be sent again leaves the queue at once', async () => {
  const { origin, requests } = await rawServer((nth, connection) => nth === 1 && connection === 1 ? OK : nth === 2 ? null : HALF);
  const dispatcher = dispatcherOf({ max: 1, acquireTimeoutMs: 60_000 });
  await used(dispatcher, origin);
  const controller = new AbortController();
  const again = failureOf(get(dispatcher, origin, { path: '/again', signal: controller.signal }));
  const longest = undici.request(origin, { dispatcher });
  await until('it to wait again', () => statsOf(dispatcher), ({ retries, pending, running }) => retries + pending + running === 3);
  await until('the other one to be on its way', () => requests.length, (count) => count === 3);
  controller.abort();
  expect(statsOf(dispatcher)).toMatchObject({ pending: 0, running: 1 });
  expect(await again).toMatchObject({ name: 'AbortError' });
  (await longest).body.on('error', () => undefined).destroy();
});

test('a server that closes each connection after its answer serves everybody in turn', async () => {
  const stage = await serve((_request, response) => {
    response.shouldKeepAlive = false;
    response.end('bye');
  });
  const dispatcher = dispatcherOf({ max: 2, acquireTimeoutMs: 60_000 });
  expect(await manyGets(dispatcher, stage.origin, 100)).toEqual([]);
  expect(stage.mostOpen).toBeLessThanOrEqual(2);
});

test('a half-open connection ends its request after headersTimeoutMs, and its place is free', async () => {
  const { port } = await serve(hello);
  const proxy = await TcpProxy.start({ port });
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  const origin = `http://127.0.0.1:${proxy.port}`;
  const dispatcher = dispatcherOf({ max: 1, headersTimeoutMs: 1_000, acquireTimeoutMs: 60_000 });
  await used(dispatcher, origin);
  proxy.silence();
  const lost = failureOf(get(dispatcher, origin));
  const next = get(dispatcher, origin);
  expect(await lost).toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT' });
  proxy.resume();
  expect(await next).toBe('hello ');
});

test('requests wait while the server is restarted, and are answered by the new one', async () => {
  const first = await serve(hello);
  const dispatcher = dispatcherOf({ max: 4, acquireTimeoutMs: 60_000, createRetry: {} });
  await used(dispatcher, first.origin);
  first.server.close();
  first.server.closeAllConnections();
  await until('the loss', () => statsOf(dispatcher).connected, (connected) => connected === 0);
  const waiting = Array.from({ length: 20 }, () => get(dispatcher, first.origin));
  await until('a failed connect', () => statsOf(dispatcher).pool.totals.createErrors, (errors) => errors > 0);
  await serve(hello, { port: first.port });
  expect(await Promise.all(waiting)).toEqual(Array.from({ length: 20 }, () => 'hello '));
});

const tls = makeCertificate('localhost');
const kinds: readonly (readonly [string, Partial<NginxOptions>])[] = [['plain', {}], ['over TLS', { tls }]];

withProgram('nginx', () => {
  test.each(kinds)('%s: no GET notices that nginx closes connections after a second, or after ten requests', async (_kind, options) => {
    const nginx = await startNginx({
      ...options, server: ['keepalive_timeout 1s 1s;', 'keepalive_requests 10;', 'location / { return 200 "hello"; }'],
    });
    onTestFinished(() => nginx.stop());
    const origin = `${options.tls === undefined ? 'http' : 'https'}://localhost:${nginx.port}`;
    const dispatcher = dispatcherOf({ max: 8, acquireTimeoutMs: 60_000, connect: { ca: tls.cert } });
    expect(await manyGets(dispatcher, origin, 1_500)).toEqual([]);
    // Pauses around the margin and around the end of nginx' patience.
    expect(await manyGets(dispatcher, origin, 60, { pauseMs: (random) => 400 + 700 * random() })).toEqual([]);
  });

  test('a kill in the middle loses what was under way, and all is well when nginx is back', async () => {
    const nginx = await startNginx({ server: ['location / { return 200 "hello"; }'] });
    onTestFinished(() => nginx.stop());
    const origin = `http://127.0.0.1:${nginx.port}`;
    const dispatcher = dispatcherOf({ max: 4, acquireTimeoutMs: 60_000, createRetry: {} });
    const going = manyGets(dispatcher, origin, 2_000);
    await until('some answers', () => dispatcher.stats[origin]?.pool.totals.served ?? 0, (served) => served > 50);
    await nginx.restart();
    // A new connection that dies at once is told; a used one is not.
    for (const failure of await going) expect((failure as { code?: string }).code).toMatch(LOSS);
    expect(await get(dispatcher, origin)).toBe('hello');
  });
});

withProgram('HAProxy', () => {
  test('no GET notices that HAProxy closes idle connections without having said so', async () => {
    const stage = await serve(hello);
    const haproxy = await startHaproxy({ backendPort: stage.port, frontend: ['timeout http-keep-alive 100ms'] });
    onTestFinished(() => haproxy.stop());
    const dispatcher = dispatcherOf({ max: 8, acquireTimeoutMs: 60_000 });
    expect(await manyGets(dispatcher, `http://127.0.0.1:${haproxy.port}`, 600, { pauseMs: (random) => 80 + 40 * random() })).toEqual([]);
  });
});
