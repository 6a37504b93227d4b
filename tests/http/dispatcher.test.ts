// The dispatcher by undici's contract, and what the pools behind it promise.

import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { connect } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { makeCertificate } from '@millpond/lab/certificate';
import { InvalidOptionError } from 'millpond';
import { createDispatcher } from 'millpond/http';
import * as undici from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { failureOf, until } from '../support/postgres.ts';
import { dispatcherOf, get, statsOf } from './dispatcher-stage.ts';
import { Gate, serve } from './stage.ts';

/** Says what it was sent. */
const echo: RequestListener = (request, response) => {
  void text(request).then((body) => response.end(`${request.method} ${request.url} ${body}`));
};

/** Holds requests until the gate lets them through. */
function gated(gate: Gate): RequestListener {
  return (_request, response) => gate.pass(() => response.end('passed'));
}

test('undici\'s functions and both fetches send requests through it', async () => {
  const { origin, sockets } = await serve(echo);
  const dispatcher = dispatcherOf({ max: 1 });
  expect(dispatcher).toBeInstanceOf(undici.Dispatcher);
  expect(await get(dispatcher, `${origin}/request`)).toBe('GET /request ');
  expect(await (await undici.fetch(`${origin}/fetch`, { dispatcher })).text()).toBe('GET /fetch ');
  // The types that Node has of undici are those of another version.
  const global = await fetch(`${origin}/global`, { method: 'POST', body: 'sent', dispatcher: dispatcher as never });
  expect(await global.text()).toBe('POST /global sent');

  let streamed = '';
  await undici.stream(`${origin}/stream`, { dispatcher, method: 'GET', opaque: null }, () => new Writable({
    write(chunk, _encoding, done) {
      streamed += String(chunk);
      done();
    },
  }));
  expect(streamed).toBe('GET /stream ');

  const piped = Readable.from(['a', 'b']).pipe(undici.pipeline(`${origin}/pipeline`, { dispatcher, method: 'PUT' }, ({ body }) => body));
  expect(await text(piped)).toBe('PUT /pipeline ab');
  expect(sockets).toHaveLength(1);
});

test('as the global dispatcher it serves every fetch', async () => {
  const { origin } = await serve(echo);
  const before = undici.getGlobalDispatcher();
  const dispatcher = dispatcherOf();
  undici.setGlobalDispatcher(dispatcher);
  onTestFinished(() => undici.setGlobalDispatcher(before));
  expect(await (await fetch(`${origin}/node`)).text()).toBe('GET /node ');
  expect(await (await undici.fetch(`${origin}/undici`)).text()).toBe('GET /undici ');
  expect(statsOf(dispatcher).pool.totals.served).toBe(2);
});

test('bodies as streams, iterators and form data, trailers, information and HEAD pass through', async () => {
  const { origin, sockets } = await serve((request, response) => {
    if (request.url !== '/trailers') {
      void text(request).then((body) => response.end(body));
      return;
    }
    response.writeEarlyHints({ link: '</style.css>; rel=preload' });
    response.writeHead(200, { trailer: 'x-sum' });
    response.write('body');
    response.addTrailers({ 'x-sum': '42' });
    response.end();
  });
  const dispatcher = dispatcherOf({ max: 1 });
  const post = (body: NonNullable<undici.Dispatcher.RequestOptions['body']>): Promise<string> =>
    get(dispatcher, origin, { method: 'POST', body });
  expect(await post(Readable.from(['str', 'eam']))).toBe('stream');
  expect(await post((async function* iterate() { yield* ['ite', 'rator']; })() as unknown as Readable)).toBe('iterator');
  const form = new undici.FormData();
  form.set('field', 'value');
  expect(await post(form)).toContain('name="field"\r\n\r\nvalue');

  const infos: number[] = [];
  const { body, trailers } = await undici.request(`${origin}/trailers`, { dispatcher, onInfo: ({ statusCode }) => infos.push(statusCode) });
  expect(await body.text()).toBe('body');
  expect(trailers).toEqual({ 'x-sum': '42' });
  expect(infos).toEqual([103]);
  const head = await undici.request(origin, { dispatcher, method: 'HEAD' });
  expect(head.statusCode).toBe(200);
  expect(sockets).toHaveLength(1);
});

test('interceptors compose over it, with the handlers of either style', async () => {
  let left = 2;
  const { origin } = await serve((request, response) => {
    if (request.url === '/away') response.writeHead(302, { location: '/here' }).end();
    else if (left-- > 0) response.writeHead(503, { 'retry-after': '0' }).end();
    else response.writeHead(200, { 'x-twice': ['a', 'b'] }).end('here');
  });
  const dispatcher = dispatcherOf();
  const composed = dispatcher.compose(undici.interceptors.redirect({ maxRedirections: 1 }), undici.interceptors.retry({ minTimeout: 1 }));
  const answer = await composed.request({ origin, path: '/away', method: 'GET' });
  expect(await answer.body.text()).toBe('here');
  expect(answer.headers['x-twice']).toEqual(['a', 'b']);
});

test('a slow reader slows the server down, in both styles of handlers', async () => {
  const size = 4 * 1024 * 1024;
  const { origin } = await serve((_request, response) => response.end(Buffer.alloc(size)));
  const dispatcher = dispatcherOf();
  for (const over of [dispatcher, dispatcher.compose((dispatch) => (options, handler) => dispatch(options, handler))]) {
    const { body } = await over.request({ origin, path: '/', method: 'GET' });
    let got = 0;
    for await (const chunk of body) {
      got += (chunk as Buffer).length;
      if (got < 1024 * 1024) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(got).toBe(size);
  }
});

test('max is the limit per origin and maxTotal over all, and everybody is served', async () => {
  const gate = new Gate();
  const first = await serve(gated(gate));
  const second = await serve(gated(gate));
  const dispatcher = dispatcherOf({ max: 2, maxTotal: 3, acquireTimeoutMs: 60_000 });
  const all = [first, second].flatMap(({ origin }) => Array.from({ length: 5 }, () => get(dispatcher, origin)));
  await until('as many requests as there may be connections', () => gate.held, (held) => held === 3);
  gate.open();
  expect(await Promise.all(all)).toEqual(Array.from({ length: 10 }, () => 'passed'));
  expect(first.mostOpen).toBeLessThanOrEqual(2);
  expect(second.mostOpen).toBeLessThanOrEqual(2);
});

test('whoever waits too long, or finds the queue full, is told by code; fetch has it as cause', async () => {
  const gate = new Gate();
  const { origin } = await serve(gated(gate));
  const dispatcher = dispatcherOf({ max: 1, maxWaiting: 1, acquireTimeoutMs: 50 });
  const running = get(dispatcher, origin);
  await until('a request at the gate', () => gate.held, (held) => held === 1);
  const waiting = failureOf(get(dispatcher, origin));
  expect(await failureOf(get(dispatcher, origin))).toMatchObject({ code: 'ERR_POOL_QUEUE_FULL' });
  expect(await waiting).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT', retryable: true });
  const fetched = await failureOf(fetch(origin, { dispatcher: dispatcher as never }));
  expect(fetched).toMatchObject({ name: 'TypeError', cause: { code: 'ERR_POOL_ACQUIRE_TIMEOUT' } });
  gate.open();
  expect(await running).toBe('passed');
});

test('an abort while waiting leaves the queue at once, whoever asked', async () => {
  const gate = new Gate();
  const { origin, seen } = await serve(gated(gate));
  const dispatcher = dispatcherOf({ max: 1, acquireTimeoutMs: 60_000 });
  const running = get(dispatcher, origin);
  await until('a request at the gate', () => gate.held, (held) => held === 1);
  const reason = new Error('no longer needed');
  const asks: readonly ((signal: AbortSignal) => Promise<unknown>)[] = [
    (signal) => get(dispatcher, origin, { signal }),
    (signal) => fetch(origin, { signal, dispatcher: dispatcher as never }),
    (signal) => undici.fetch(origin, { signal, dispatcher }),
    (signal) => dispatcher.compose(undici.interceptors.retry()).request({ origin, path: '/', method: 'GET', signal }),
  ];
  for (const ask of asks) {
    const controller = new AbortController();
    const asked = failureOf(ask(controller.signal));
    await until('one that waits', () => statsOf(dispatcher).queued, (queued) => queued === 1);
    controller.abort(reason);
    expect(await asked).toBe(reason);
    expect(statsOf(dispatcher).queued).toBe(0);
  }
  gate.open();
  expect(await running).toBe('passed');
  expect(seen).toHaveLength(1);
});

test('a request that had to wait is sent in the async context of whoever asked', async () => {
  const gate = new Gate();
  const { origin } = await serve(gated(gate));
  const dispatcher = dispatcherOf({ max: 1, acquireTimeoutMs: 60_000 });
  const user = new AsyncLocalStorage<string>();
  const senders: unknown[] = [];
  const onCreate = (): void => void senders.push(user.getStore());
  subscribe('undici:request:create', onCreate);
  onTestFinished(() => void unsubscribe('undici:request:create', onCreate));
  const all = ['one', 'two', 'three'].map((name) => user.run(name, () => get(dispatcher, origin)));
  gate.open();
  await Promise.all(all);
  expect(senders).toEqual(['one', 'two', 'three']);
});

test('an abort in the middle of an answer costs that connection and no other', async () => {
  const gate = new Gate();
  const stage = await serve((request, response) => {
    response.write('begun');
    if (request.url !== '/endless') gate.pass(() => response.end());
  });
  const dispatcher = dispatcherOf({ max: 2 });
  const controller = new AbortController();
  const { body } = await undici.request(`${stage.origin}/endless`, { dispatcher, signal: controller.signal });
  const other = get(dispatcher, stage.origin);
  await until('the other one at the gate', () => gate.held, (held) => held === 1);
  controller.abort();
  expect(await failureOf(body.text())).toMatchObject({ name: 'AbortError' });
  await until('one connection left', () => stage.open, (open) => open === 1);
  gate.open();
  expect(await other).toBe('begun');
  expect(statsOf(dispatcher).pool.totals.destroyed.broken).toBe(1);
});

test('a request that cannot be sent is told so and costs no connection', async () => {
  const { origin, sockets } = await serve(echo);
  const dispatcher = dispatcherOf({ max: 1 });
  for (let nth = 0; nth < 3; nth++) {
    expect(await get(dispatcher, origin)).toBe('GET / ');
    const wrong: readonly object[] = [
      { headers: { 'not a header': 'x' } }, { method: 'GE T' }, { method: 'PUT', body: 'abc', headers: { 'content-length': '7' } },
    ];
    for (const each of wrong) expect((await failureOf(get(dispatcher, origin, each)))?.code).toMatch(/^UND_ERR_/);
  }
  expect(sockets).toHaveLength(1);
  for (const url of ['ftp://127.0.0.1', '', 7, undefined]) {
    const options = { origin: url, path: '/', method: 'GET' } as unknown as undici.Dispatcher.RequestOptions;
    expect(await failureOf(dispatcher.request(options))).toMatchObject({ code: 'UND_ERR_INVALID_ARG' });
  }
});

test('what a handler throws ends its request and nothing else', async () => {
  const { origin } = await serve(echo);
  const dispatcher = dispatcherOf({ max: 1 });
  const warnings: unknown[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on('warning', onWarning);
  onTestFinished(() => void process.off('warning', onWarning));
  for (const method of ['onConnect', 'onHeaders', 'onData', 'onComplete', 'onError']) {
    const thrown = new Error(`thrown in ${method}`);
    const told = new Promise((resolve) => {
      const handler: Record<string, (...values: unknown[]) => unknown> = {
        onConnect: () => undefined, onHeaders: () => true, onData: () => true, onComplete: () => resolve(undefined),
      };
      if (method !== 'onError') handler[method] = () => { throw thrown; };
      else handler['onHeaders'] = () => { throw thrown; };
      handler['onError'] = (error: unknown): void => {
        resolve(error);
        if (method === 'onError') throw thrown;
      };
      dispatcher.dispatch({ origin, path: '/', method: 'GET' }, handler);
    });
    expect(await told).toBe(thrown);
    expect(await get(dispatcher, origin)).toBe('GET / ');
  }
  await until('the warning', () => warnings, (all) => all.length === 1);
});

test('dispatch returns false when the next one would have to wait, and drain tells when it would not', async () => {
  const gate = new Gate();
  const { origin } = await serve(gated(gate));
  const dispatcher = dispatcherOf({ max: 2 });
  const done: Promise<void>[] = [];
  const dispatch = (): boolean => {
    let returned = false;
    done.push(new Promise((resolve, reject) => {
      const goOn = (): boolean => true;
      const handler = { onConnect: () => undefined, onHeaders: goOn, onData: goOn, onComplete: () => resolve(), onError: reject };
      returned = dispatcher.dispatch({ origin, path: '/', method: 'GET' }, handler);
    }));
    return returned;
  };
  expect([dispatch(), dispatch(), dispatch()]).toEqual([true, false, false]);
  await until('two at the gate', () => gate.held, (held) => held === 2);
  expect(statsOf(dispatcher)).toMatchObject({
    connected: 2, free: 0, pending: 1, queued: 1, running: 2, size: 3, pool: { size: 2, waiting: 1 },
  });
  const drained = once(dispatcher, 'drain');
  gate.open();
  const [url, targets] = await drained as [URL, unknown[]];
  expect([url.origin, targets[0]]).toEqual([origin, dispatcher]);
  await Promise.all(done);
});

test('drain also tells those who had to wait for the requests of others', async () => {
  const gate = new Gate();
  const busy = await serve(gated(gate));
  const { origin } = await serve(echo);
  const dispatcher = dispatcherOf({ maxTotal: 1 });
  const drained: string[] = [];
  dispatcher.on('drain', ({ origin: of }) => drained.push(of));
  const first = get(dispatcher, busy.origin);
  await until('it to be at the gate', () => gate.held, (held) => held === 1);
  const second = get(dispatcher, origin);
  const third = get(dispatcher, busy.origin);
  gate.next();
  await first;
  await second;
  gate.open();
  await third;
  await until('both to be told', () => [...drained].sort(), (told) => told.join() === [busy.origin, origin].sort().join());
});

test('it tells of connections that open, close and fail to open', async () => {
  const stage = await serve(echo);
  const dispatcher = dispatcherOf();
  const opened = once(dispatcher, 'connect');
  const closed = once(dispatcher, 'disconnect');
  await get(dispatcher, stage.origin);
  expect(((await opened) as [URL])[0].origin).toBe(stage.origin);
  stage.server.closeAllConnections();
  expect(((await closed) as [URL])[0].origin).toBe(stage.origin);
  stage.server.close();
  await once(stage.server, 'close');
  const failed = once(dispatcher, 'connectionError');
  const error = await failureOf(get(dispatcher, stage.origin));
  expect(error).toMatchObject({ code: 'ECONNREFUSED' });
  expect(((await failed) as unknown[])[2]).toMatchObject({ code: 'ECONNREFUSED' });
});

test('warm connections are there before the first request, and come back when the server ends them', async () => {
  const stage = await serve(echo);
  const dispatcher = dispatcherOf({ max: 5 });
  await dispatcher.warm(stage.origin, { min: 3 });
  expect(statsOf(dispatcher)).toMatchObject({ connected: 3, free: 3 });
  await until('them at the server', () => stage.open, (open) => open === 3);
  for (const socket of stage.sockets) socket.destroy();
  await until('three new ones', () => stage.sockets.length, (count) => count >= 6);
  await until('three that are open', () => statsOf(dispatcher).connected, (connected) => connected === 3);
  expect(await get(dispatcher, stage.origin)).toBe('GET / ');
  expect(await failureOf(dispatcher.warm('nowhere'))).toBeInstanceOf(InvalidOptionError);
});

test('a server that speaks before it is asked loses the connection, and nobody its request', async () => {
  const stage = await serve(echo);
  stage.server.on('connection', (socket) => {
    if (stage.sockets.length === 1) socket.write('HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });
  const dispatcher = dispatcherOf({ max: 1 });
  await dispatcher.warm(stage.origin);
  await until('another connection', () => stage.sockets.length, (count) => count === 2);
  expect(await get(dispatcher, stage.origin)).toBe('GET / ');
});

test('close answers what was taken, takes nothing more, and is done when all connections are closed', async () => {
  const gate = new Gate();
  const stage = await serve(gated(gate));
  const dispatcher = dispatcherOf({ max: 1 });
  const taken = [get(dispatcher, stage.origin), get(dispatcher, stage.origin)];
  await until('one at the gate', () => gate.held, (held) => held === 1);
  const closing = dispatcher.close();
  const called = new Promise((resolve) => { dispatcher.close((...values: unknown[]) => resolve(values)); });
  expect([dispatcher.closed, dispatcher.destroyed]).toEqual([true, false]);
  expect(await failureOf(get(dispatcher, stage.origin))).toMatchObject({ code: 'UND_ERR_CLOSED' });
  gate.open();
  expect(await Promise.all(taken)).toEqual(['passed', 'passed']);
  await closing;
  expect(await called).toEqual([null, null]);
  expect(dispatcher.destroyed).toBe(true);
  await until('no connection', () => stage.open, (open) => open === 0);
  expect(await failureOf(get(dispatcher, stage.origin))).toMatchObject({ code: 'UND_ERR_DESTROYED' });
});

test('destroy ends what waits and what runs with its error', async () => {
  const gate = new Gate();
  const stage = await serve(gated(gate));
  const dispatcher = dispatcherOf({ max: 1 });
  const all = [failureOf(get(dispatcher, stage.origin)), failureOf(get(dispatcher, stage.origin, { method: 'POST', body: 'x' }))];
  await until('one at the gate', () => gate.held, (held) => held === 1);
  const error = new Error('shut down');
  await new Promise<void>((resolve) => { dispatcher.destroy(error, resolve); });
  expect(await Promise.all(all)).toEqual([error, error]);
  await until('no connection', () => stage.open, (open) => open === 0);
  expect(await failureOf(dispatcher.close())).toMatchObject({ code: 'UND_ERR_DESTROYED' });
});

test('an upgrade takes its connection out of the pool', async () => {
  const stage = await serve(echo);
  stage.server.on('upgrade', (_request, socket) => {
    socket.on('error', () => undefined);
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n');
    socket.pipe(socket);
  });
  stage.server.on('connect', (_request, socket) => {
    socket.on('error', () => undefined);
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    socket.pipe(socket);
  });
  const dispatcher = dispatcherOf({ max: 1 });
  const { socket } = await undici.upgrade(stage.origin, { dispatcher, protocol: 'echo' });
  const tunnel = await undici.connect(stage.origin, { dispatcher, path: 'somewhere:80' } as Parameters<typeof undici.connect>[1]);
  expect(await get(dispatcher, stage.origin)).toBe('GET / ');
  for (const each of [socket, tunnel.socket]) {
    each.write('over');
    expect(String((await once(each, 'data') as [Buffer])[0])).toBe('over');
    each.destroy();
  }
  expect(statsOf(dispatcher).pool.totals.detached).toBe(2);
});

test('over TLS the sessions are resumed, names are checked, and a Host header has connections of its own', async () => {
  const certificate = makeCertificate('localhost');
  const stage = await serve(({ headers, socket }, response) => {
    response.end(`${headers.host} ${String((socket as never as { servername: string }).servername)}`);
  }, { tls: certificate });
  const url = stage.origin.replace('127.0.0.1', 'localhost');
  const dispatcher = dispatcherOf({ max: 1, maxUses: 1, connect: { ca: certificate.cert } });
  for (let nth = 0; nth < 3; nth++) await get(dispatcher, url);
  const resumed = stage.sockets.map((socket) => (socket as never as { isSessionReused(): boolean }).isSessionReused());
  expect(resumed[0]).not.toBe(true);
  expect(resumed).toContain(true);
  expect(await get(dispatcher, url, { headers: { host: 'localhost:1' } })).toBe('localhost:1 localhost');
  expect(Object.keys(dispatcher.stats)).toEqual([url, `${url}#localhost`]);
  const wrong = await failureOf(get(dispatcher, url, { headers: { host: 'other.example' } }));
  expect(wrong).toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  const stranger = dispatcherOf({ createRetry: {} });
  expect(await failureOf(get(stranger, url))).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
});

test('a Host header is found however it is written and in whatever it is brought', async () => {
  const certificate = makeCertificate('localhost');
  const stage = await serve(({ headers: { host } }, response) => response.end(host), { tls: certificate });
  const dispatcher = dispatcherOf({ connect: { ca: certificate.cert } });
  const ways = [{ HOST: 'localhost' }, ['hOst', 'localhost'], new Map([['Host', 'localhost']]), new undici.Headers({ host: 'localhost' })];
  for (const headers of ways) expect(await get(dispatcher, stage.origin, { headers })).toBe('localhost');
  expect(Object.keys(dispatcher.stats)).toEqual([`${stage.origin}#localhost`]);
});

test('connect may be a function, and a socket that comes too late is closed', async () => {
  const { origin, port } = await serve(echo);
  const connector = undici.buildConnector({});
  const dispatcher = dispatcherOf({
    connect: (request, callback) => { connector({ ...request, port: String(port) } as never, callback); },
  });
  expect(await get(dispatcher, 'http://somewhere.invalid'.replace('somewhere.invalid', '127.0.0.1'))).toBe('GET / ');

  let late: ((error: null, socket: never) => void) | undefined;
  const slow = dispatcherOf({ createTimeoutMs: 20, connect: (_request, callback) => { late ??= callback as never; } });
  expect(await failureOf(get(slow, origin))).toMatchObject({ code: 'ERR_POOL_CREATE_TIMEOUT' });
  let destroyed = false;
  late!(null, { destroy: () => { destroyed = true; } } as never);
  expect(destroyed).toBe(true);
});

test('a socket of connect that dies in the tick in which it is handed over costs its request, and not the process', async () => {
  const { port } = await serve(echo);
  const dispatcher = dispatcherOf({
    acquireTimeoutMs: 100,
    connect: (_request, callback) => {
      const socket = connect(port, '127.0.0.1', () => {
        callback(null, socket);
        socket.destroy(new Error('dead on arrival'));
      });
    },
  });
  expect(await failureOf(get(dispatcher, 'http://127.0.0.1:1'))).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' });
});

test('wrong options are named, with what undici\'s options are called here', () => {
  const wrong: readonly (readonly [object, string, RegExp])[] = [
    [{ connections: 5 }, 'connections', /here it is max/],
    [{ pipelining: 10 }, 'pipelining', /one request at a time/],
    [{ keepAliveTimeout: 10 }, 'keepAliveTimeout', /keepAliveTimeoutMs/],
    [{ keepAliveTimoutMs: 10 }, 'keepAliveTimoutMs', /did you mean keepAliveTimeoutMs/],
    [{ keepAliveTimeoutMs: 0 }, 'keepAliveTimeoutMs', /above 0/],
    [{ keepAliveMarginMs: -1 }, 'keepAliveMarginMs', /at least 0/],
    [{ headersTimeoutMs: Number.NaN }, 'headersTimeoutMs', /at least 0/],
    [{ maxHeaderSize: 0.5 }, 'maxHeaderSize', /whole number/],
    [{ connect: 'there' }, 'connect', /object/],
    [{ retry: 3 }, 'retry', /true or false/],
    [{ max: 0 }, 'max', /at least 1/],
  ];
  for (const [options, option, message] of wrong) {
    const error = { code: 'ERR_POOL_INVALID_OPTION', option, message: expect.stringMatching(message) };
    expect(() => createDispatcher({ undici, ...options })).toThrow(expect.objectContaining(error));
  }
  expect(() => createDispatcher({ undici: {} as never })).toThrow(expect.objectContaining({ code: 'ERR_POOL_DRIVER_MISSING' }));
});
