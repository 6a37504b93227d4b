// HttpAgent by the contract between node:http and its agents.

import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { HttpAgent, HttpsAgent } from 'millpond/http';
import { expect, onTestFinished, test } from 'vitest';
import { until } from '../support/postgres.ts';
import { agentOf, ask, failure, Gate, read, serve } from './stage.ts';

/** A server that answers each request that ends with an empty line with these bytes, in order; then it does what `after` says. */
async function rawServer(answers: readonly string[], after: (socket: Socket, nth: number) => void = () => undefined): Promise<number> {
  let nth = 0;
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      if (!chunk.toString('latin1').endsWith('\r\n\r\n')) return;
      socket.write(answers[Math.min(nth, answers.length - 1)]!);
      after(socket, nth++);
    });
    onTestFinished(() => void socket.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** What Node's agents have, and the types of Node do not. */
function removing(agent: HttpAgent): { removeSocket(socket: Socket): void } {
  return agent as unknown as { removeSocket(socket: Socket): void };
}

const answer = (body: string, headers = ''): string => `HTTP/1.1 200 OK\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;

test('is an agent of Node by type and by the properties that others read', () => {
  const plain = agentOf({ max: 7, maxTotal: 9 });
  const secure = new HttpsAgent({ rejectUnauthorized: false });
  expect(plain).toBeInstanceOf(http.Agent);
  expect(plain).toMatchObject({ protocol: 'http:', defaultPort: 80, keepAlive: true, maxSockets: 7, maxTotalSockets: 9 });
  expect(secure).toMatchObject({ protocol: 'https:', defaultPort: 443, keepAlive: true, options: { rejectUnauthorized: false } });
  expect([plain.sockets, plain.freeSockets, plain.requests]).toEqual([{}, {}, {}]);
});

test('lends the connection used last, and tells the request that it is reused', async () => {
  const { origin, sockets } = await serve((_, response) => response.end('hello'));
  const agent = agentOf();
  expect(await ask(agent, origin)).toMatchObject({ status: 200, body: 'hello', reused: false });
  for (let nth = 0; nth < 5; nth++) expect(await ask(agent, origin)).toMatchObject({ body: 'hello', reused: true });
  expect(sockets.length).toBe(1);
  expect(agent.stats()).toMatchObject({ keys: 1, size: 1, idle: 1, borrowed: 0, retries: 0 });
});

test('gives an idle connection to a request in the same tick, without a promise', async () => {
  const { origin, port } = await serve((_, response) => response.end());
  const agent = agentOf();
  await ask(agent, origin);
  const request = http.get({ port, host: '127.0.0.1', agent });
  expect(agent.stats()).toMatchObject({ idle: 0, borrowed: 1 });
  const [response] = await once(request, 'response') as [IncomingMessage];
  response.resume();
  await until('the end', () => agent.stats().idle, (idle) => idle === 1);
});

test('shows its connections and its queue under the name that Node gives the origin', async () => {
  const gate = new Gate();
  const { origin, port } = await serve((_, response) => gate.pass(() => response.end()));
  const agent = agentOf({ max: 2 });
  const name = agent.getName({ host: '127.0.0.1', port });
  const all = [1, 2, 3].map(() => ask(agent, origin));
  await until('two requests at the server', () => gate.held, (held) => held === 2);
  expect(agent.sockets[name]?.length).toBe(2);
  expect(agent.requests[name]?.length).toBe(1);
  expect(agent.freeSockets).toEqual({});
  const freed: Duplex[] = [];
  agent.on('free', (socket) => freed.push(socket as Duplex));
  gate.open();
  await Promise.all(all);
  await until('both to be idle', () => agent.freeSockets[name]?.length, (length) => length === 2);
  expect([agent.sockets, agent.requests]).toEqual([{}, {}]);
  expect(new Set(freed)).toEqual(new Set(agent.freeSockets[name]));
});

test('keeps an origin to its limit, and all of them to theirs', async () => {
  const gate = new Gate();
  const stages = await Promise.all([1, 2].map(() => serve((_, response) => gate.pass(() => response.end()))));
  const agent = agentOf({ max: 3, maxTotal: 4, acquireTimeoutMs: 60_000 });
  const all = stages.flatMap(({ origin }) => Array.from({ length: 10 }, () => ask(agent, origin)));
  await until('as many as may be', () => gate.held, (held) => held === 4);
  expect(agent.stats()).toMatchObject({ borrowed: 4, waiting: 16 });
  gate.open();
  await Promise.all(all);
  for (const { mostOpen } of stages) expect(mostOpen).toBeLessThanOrEqual(3);
  expect(agent.stats().size).toBeLessThanOrEqual(4);
});

test('serves those who wait in their order', async () => {
  const { origin, seen } = await serve((_, response) => response.end());
  const agent = agentOf({ max: 1 });
  await Promise.all(Array.from({ length: 20 }, (_, nth) => ask(agent, `${origin}/${nth}`)));
  expect(seen).toEqual(Array.from({ length: 20 }, (_, nth) => `GET /${nth}`));
});

test('everything about a request happens in the async context of its caller', async () => {
  const context = new AsyncLocalStorage<string>();
  const { origin } = await serve((request, response) => {
    if (request.url === '/cut') request.socket.resetAndDestroy();
    else response.end('hello');
  });
  const agent = agentOf({ max: 1, retry: false });
  const one = (name: string, path = '/'): Promise<string[]> => context.run(name, () => new Promise((resolve) => {
    const inside: string[] = [];
    const note = (): void => void inside.push(context.getStore() ?? 'nobody');
    const request = http.get(`${origin}${path}`, { agent }, (response) => {
      note();
      response.on('data', note).on('end', note);
    });
    request.on('socket', note).on('error', note).on('close', () => resolve(inside));
  }));
  const all = await Promise.all([one('a'), one('b'), one('c'), one('d', '/cut'), one('e')]);
  const names = ['a', 'b', 'c', 'd', 'e'];
  all.forEach((inside, nth) => {
    expect(new Set(inside)).toEqual(new Set([names[nth]]));
    expect(inside.length).toBeGreaterThanOrEqual(2);
  });
});

test('the callers of a connect that fails get what it failed with, one after the other', async () => {
  const { port, server } = await serve((_, response) => response.end());
  await new Promise((resolve) => server.close(resolve));
  const agent = agentOf({ max: 1 });
  const errors = await Promise.all([1, 2, 3].map(() => failure(http.get({ port, host: '127.0.0.1', agent }))));
  expect(errors.map(({ code }) => code)).toEqual(['ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED']);
  expect(agent.stats()).toMatchObject({ size: 0, waiting: 0 });
});

test('an answer that says Connection: close ends the connection, and the next gets a new one', async () => {
  const { origin, sockets } = await serve((_, response) => response.setHeader('Connection', 'close').end('bye'));
  const agent = agentOf({ max: 1 });
  for (let nth = 1; nth <= 3; nth++) {
    expect(await ask(agent, origin)).toMatchObject({ body: 'bye', reused: false });
    expect(sockets.length).toBe(nth);
  }
});

test('a server of HTTP/1.0 is served, with and without keep-alive', async () => {
  const once10 = await rawServer(['HTTP/1.0 200 OK\r\n\r\nall of it'], (socket) => socket.end());
  const kept10 = await rawServer(['HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok']);
  const agent = agentOf();
  for (const reused of [false, false]) {
    expect(await ask(agent, `http://127.0.0.1:${once10}`)).toMatchObject({ body: 'all of it', reused });
  }
  for (const reused of [false, true]) expect(await ask(agent, `http://127.0.0.1:${kept10}`)).toMatchObject({ body: 'ok', reused });
});

test('a connection that says something nobody asked for is not lent again', async () => {
  const late = await rawServer([answer('first')], (socket, nth) => {
    if (nth === 0) setImmediate(() => socket.write(answer('nobody asked')));
  });
  const agent = agentOf({ max: 1 });
  expect(await ask(agent, `http://127.0.0.1:${late}`)).toMatchObject({ body: 'first' });
  await until('the connection to be gone', () => agent.stats().size, (size) => size === 0);
  expect(await ask(agent, `http://127.0.0.1:${late}`)).toMatchObject({ body: 'first', reused: false });
});

test('a second answer behind the first one reaches nobody', async () => {
  const port = await rawServer([answer('first') + answer('second'), answer('third')]);
  const agent = agentOf({ max: 1 });
  const first = await ask(agent, `http://127.0.0.1:${port}`).then(({ body }) => body, String);
  expect(['first', 'Error: socket hang up', 'Error: aborted']).toContain(first);
  expect(await ask(agent, `http://127.0.0.1:${port}`)).toMatchObject({ body: 'third', reused: false });
});

test('bytes that come while the body of the answer before them is still being read make the connection unfit', async () => {
  const port = await rawServer([answer('x'.repeat(1_000)), answer('clean')], (socket, nth) => {
    if (nth === 0) setTimeout(() => socket.write('HTTP/1.1 408 Request Timeout\r\n\r\n'), 20);
  });
  const agent = agentOf({ max: 1 });
  const request = http.get({ port, host: '127.0.0.1', agent });
  const [response] = await once(request, 'response') as [IncomingMessage];
  const [socket] = Object.values(agent.sockets).flat() as [Socket];
  await until('the stray bytes', () => socket.bytesRead, (bytes) => bytes > 1_060);
  expect(await read(response)).toBe('x'.repeat(1_000));
  expect(await ask(agent, `http://127.0.0.1:${port}`)).toMatchObject({ body: 'clean', reused: false });
});

test('an upgraded connection leaves the pool for good and can be talked over', async () => {
  const { port, server, origin } = await serve((_, response) => response.end('plain'));
  server.on('upgrade', (_, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
    socket.pipe(socket);
    onTestFinished(() => void socket.destroy());
  });
  const agent = agentOf({ max: 1 });
  const request = http.get({ port, host: '127.0.0.1', agent, headers: { Connection: 'Upgrade', Upgrade: 'echo' } });
  const [, socket] = await once(request, 'upgrade') as [IncomingMessage, Duplex];
  expect(agent.stats()).toMatchObject({ size: 0 });
  expect(agent.sockets).toEqual({});
  // The place in the pool is free: `max` is 1.
  expect(await ask(agent, origin)).toMatchObject({ body: 'plain' });
  await agent.close();
  socket.write('still here');
  expect(String((await once(socket, 'data'))[0])).toBe('still here');
  socket.destroy();
});

test('an idle connection that is taken out stays open, and belongs to whoever took it', async () => {
  const { origin } = await serve((_, response) => response.end('fine'));
  const agent = agentOf({ max: 1 });
  for (const take of [(socket: Socket) => socket.emit('agentRemove'), (socket: Socket) => removing(agent).removeSocket(socket)]) {
    await ask(agent, origin);
    await until('it to be idle', () => agent.stats().idle, (idle) => idle === 1);
    const [socket] = Object.values(agent.freeSockets).flat() as [Socket];
    take(socket);
    await until('the pool to be without it', () => agent.stats().size, (size) => size === 0);
    expect(await ask(agent, origin)).toMatchObject({ body: 'fine', reused: false });
    expect(socket.destroyed).toBe(false);
    socket.write('GET / HTTP/1.1\r\nHost: me\r\n\r\n');
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 200 OK/);
    socket.destroy();
    agent.destroy();
    await until('none to be left', () => agent.stats().size, (size) => size === 0);
  }
});

test('a tunnel by CONNECT leaves the pool in the same way', async () => {
  const { port, server } = await serve((_, response) => response.end());
  server.on('connect', (_, socket) => {
    socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    socket.pipe(socket);
    onTestFinished(() => void socket.destroy());
  });
  const agent = agentOf({ max: 1 });
  const request = http.request({ port, host: '127.0.0.1', agent, method: 'CONNECT', path: 'example.com:443' }).end();
  const [, socket] = await once(request, 'connect') as [IncomingMessage, Duplex];
  expect(agent.stats()).toMatchObject({ size: 0 });
  socket.write('through');
  expect(String((await once(socket, 'data'))[0])).toBe('through');
  socket.destroy();
});

test('a body waits for 100 Continue, and the connection is used again after it', async () => {
  const { origin, port } = await serve((request, response) => {
    request.on('data', () => undefined).on('end', () => response.end('thanks'));
  });
  const agent = agentOf({ max: 1 });
  for (const reused of [false, true]) {
    const headers = { 'Expect': '100-continue', 'Content-Length': 5 };
    const request = http.request({ port, host: '127.0.0.1', agent, method: 'POST', headers });
    request.flushHeaders();
    await once(request, 'continue');
    request.end('hello');
    const [response] = await once(request, 'response') as [IncomingMessage];
    expect(await read(response)).toBe('thanks');
    expect(request.reusedSocket).toBe(reused);
    await until('it to be idle', () => agent.stats().idle, (idle) => idle === 1);
  }
  expect(await ask(agent, origin)).toMatchObject({ reused: true });
});

test('an answer that comes before the body is sent keeps the connection until the body is', async () => {
  const { port } = await serve((request, response) => {
    request.resume();
    response.end('early');
  });
  const agent = agentOf({ max: 1 });
  const request = http.request({ port, host: '127.0.0.1', agent, method: 'POST', headers: { 'Content-Length': 10 } });
  request.write('hello');
  const [response] = await once(request, 'response') as [IncomingMessage];
  expect(await read(response)).toBe('early');
  expect(agent.stats()).toMatchObject({ borrowed: 1 });
  request.end('world');
  await until('it to be idle', () => agent.stats().idle, (idle) => idle === 1);
});

test('a request destroyed in the middle of its answer costs its own connection only', async () => {
  const gate = new Gate();
  const { origin, port } = await serve((request, response) => {
    if (request.url === '/long') response.write('and so on ');
    else gate.pass(() => response.end('fine'));
  });
  const agent = agentOf({ max: 2 });
  const other = ask(agent, `${origin}/other`);
  const request = http.get({ port, host: '127.0.0.1', path: '/long', agent });
  const [response] = await once(request, 'response') as [IncomingMessage];
  response.on('error', () => undefined);
  request.destroy();
  await until('its connection to be gone', () => agent.stats().size, (size) => size === 1);
  gate.open();
  expect(await other).toMatchObject({ body: 'fine' });
  expect(await ask(agent, origin)).toMatchObject({ body: 'fine', reused: true });
});

test('a connection is made by createConnection of a derived class, by what it returns or by its callback', async () => {
  const { port } = await serve((request, response) => response.end(request.headers.host));
  for (const byCallback of [false, true]) {
    const asked: unknown[] = [];
    class Tunnel extends HttpAgent {
      override createConnection(options: { readonly host?: string | null }, callback?: (error: Error | null, socket: Duplex) => void) {
        asked.push(options.host);
        const socket = net.connect(port, '127.0.0.1');
        if (!byCallback) return socket;
        socket.on('connect', () => callback!(null, socket));
        return undefined;
      }
    }
    const agent = new Tunnel();
    expect(await ask(agent, 'http://elsewhere.test/')).toMatchObject({ body: 'elsewhere.test', reused: false });
    expect(await ask(agent, 'http://elsewhere.test/')).toMatchObject({ reused: true });
    expect(asked).toEqual(['elsewhere.test']);
    await agent.close();
  }
});

test('a createConnection that throws, or calls back with an error, fails the request with it', async () => {
  for (const how of ['throws', 'calls back'] as const) {
    class Broken extends HttpAgent {
      override createConnection(_: unknown, callback?: (error: Error | null, socket: Duplex) => void): undefined {
        const error = new Error('no way through');
        if (how === 'throws') throw error;
        callback!(error, undefined as unknown as Duplex);
      }
    }
    const agent = new Broken();
    expect((await failure(http.get('http://elsewhere.test/', { agent }))).message).toBe('no way through');
    await agent.close();
  }
});

test('keepSocketAlive and reuseSocket of a derived class are asked', async () => {
  const { origin, sockets } = await serve((_, response) => response.end());
  let keep = true;
  const reused: unknown[] = [];
  class Choosy extends HttpAgent {
    override keepSocketAlive(): boolean { return keep; }

    override reuseSocket(_: Duplex, request: http.ClientRequest): void { reused.push(request.method); }
  }
  const agent = new Choosy();
  await ask(agent, origin);
  await ask(agent, origin);
  expect(reused).toEqual(['GET']);
  keep = false;
  await ask(agent, origin);
  await until('it to be gone', () => agent.stats().size, (size) => size === 0);
  expect(sockets.length).toBe(1);
  await agent.close();
});

test('methods and listeners that throw cost their own request at most, and never the process', async () => {
  const { origin } = await serve((_, response) => response.end('fine'));
  const warned: string[] = [];
  const onWarning = ({ message }: Error): void => void warned.push(message);
  process.on('warning', onWarning);
  onTestFinished(() => void process.off('warning', onWarning));
  let keepThrows = false;
  class Broken extends HttpAgent {
    override keepSocketAlive(): boolean {
      if (keepThrows) throw new Error('in keepSocketAlive');
      return true;
    }

    override reuseSocket(): void { throw new Error('in reuseSocket'); }
  }
  const agent = new Broken({ max: 1 });
  agent.on('free', () => { throw new Error('in a listener'); });
  await ask(agent, origin);
  await expect(ask(agent, origin)).rejects.toThrow('in reuseSocket');
  keepThrows = true;
  // One that finds a new connection, and one that waits for it.
  const [first, second] = await Promise.allSettled([ask(agent, origin), ask(agent, origin)]);
  expect([first.status, second.status]).toEqual(['fulfilled', 'fulfilled']);
  await until('all to be gone', () => agent.stats(), ({ size, waiting }) => size === 0 && waiting === 0);
  await until('both to be reported', () => new Set(warned).size, (count) => count === 2);
  expect(new Set(warned)).toEqual(new Set(['in a listener', 'in keepSocketAlive']));
  await agent.close();
});

test('a Unix socket is an origin like any other', async () => {
  const path = join(tmpdir(), `millpond-http-${process.pid}.sock`);
  const server = http.createServer((_, response) => response.end('local'));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
    rmSync(path, { force: true });
  });
  const agent = agentOf();
  for (const reused of [false, true]) {
    expect(await ask(agent, 'http://api/', { socketPath: path })).toMatchObject({ body: 'local', reused });
  }
  expect([...agent.pools.keys()]).toEqual([`http://unix:${path}`]);
});

test('the timeout of a request is of the silence on its connection, and the next request starts with its own', async () => {
  const { origin, port } = await serve((request, response) => {
    if (request.url !== '/silent') response.end();
  });
  const agent = agentOf({ max: 1, timeout: 60_000 });
  await ask(agent, origin);
  const [socket] = Object.values(agent.freeSockets).flat() as [Socket];
  const request = http.get({ port, host: '127.0.0.1', path: '/silent', agent, timeout: 50 });
  expect(socket.timeout).toBe(50);
  await once(request, 'timeout');
  request.destroy();
  expect((await failure(request)).code).toBe('ECONNRESET');
  await ask(agent, origin, { timeout: 30_000 });
  const [next] = Object.values(agent.freeSockets).flat() as [Socket];
  const last = ask(agent, origin);
  expect(next.timeout).toBe(60_000);
  await last;
});

test('destroy closes what is open, in use or not, and the agent goes on', async () => {
  const { origin, port } = await serve((request, response) => {
    if (request.url !== '/hang') response.end('fine');
  });
  const agent = agentOf();
  const hanging = failure(http.get({ port, host: '127.0.0.1', path: '/hang', agent }));
  await ask(agent, origin);
  agent.destroy();
  expect((await hanging).code).toBe('ECONNRESET');
  await until('all to be gone', () => agent.stats().size, (size) => size === 0);
  expect(await ask(agent, origin)).toMatchObject({ body: 'fine', reused: false });
});

test('close lets requests finish, refuses new ones with a code, and closes everything', async () => {
  const gate = new Gate();
  const stage = await serve((_, response) => gate.pass(() => response.end('done')));
  const agent = new HttpAgent({ max: 1 });
  const running = ask(agent, stage.origin);
  await until('it to run', () => gate.held, (held) => held === 1);
  const waiting = failure(http.get({ port: stage.port, host: '127.0.0.1', agent }));
  const closed = agent.close();
  expect((await waiting).code).toBe('ERR_POOL_CLOSED');
  expect((await failure(http.get({ port: stage.port, host: '127.0.0.1', agent }))).code).toBe('ERR_POOL_CLOSED');
  gate.open();
  expect(await running).toMatchObject({ body: 'done' });
  expect(await closed).toEqual({ abandoned: [] });
  await until('the server to have none left', () => stage.open, (open) => open === 0);
});

test('a request that outlives the deadline of close is cut off', async () => {
  const { port } = await serve(() => undefined);
  const agent = new HttpAgent();
  const request = failure(http.get({ port, host: '127.0.0.1', agent }));
  await until('it to run', () => agent.stats().borrowed, (borrowed) => borrowed === 1);
  const { abandoned } = await agent.close({ deadlineMs: 1 });
  expect(abandoned.length).toBe(1);
  expect((await request).code).toBe('ECONNRESET');
});

test('warm keeps connections open from before the first request on, and again after they are lost', async () => {
  const stage = await serve((_, response) => response.end());
  const agent = agentOf();
  await agent.warm(stage.origin, { min: 3 });
  expect(agent.stats()).toMatchObject({ size: 3, idle: 3 });
  await until('the server to know', () => stage.open, (open) => open === 3);
  expect(await ask(agent, stage.origin)).toMatchObject({ status: 200 });
  expect(stage.sockets.length).toBe(3);
  for (const socket of stage.sockets) socket.destroy();
  await until('three new ones', () => [stage.sockets.length, stage.open], ([all, open]) => all === 6 && open === 3);
  await expect(agent.warm('ftp://example.com')).rejects.toMatchObject({ code: 'ERR_POOL_INVALID_OPTION' });
  await expect(agent.warm('no url')).rejects.toMatchObject({ code: 'ERR_POOL_INVALID_OPTION' });
});

test('warm says why it cannot', async () => {
  const { origin, server } = await serve((_, response) => response.end());
  await new Promise((resolve) => server.close(resolve));
  const agent = agentOf();
  await expect(agent.warm(origin)).rejects.toMatchObject({ code: 'ERR_POOL_CREATE_FAILED', cause: { code: 'ECONNREFUSED' } });
});

test('the pools of origins have their events, and their names tell where they lead', async () => {
  const { origin } = await serve((_, response) => response.end());
  const agent = agentOf({ name: 'api' });
  const told: string[] = [];
  agent.pool(origin).on('create', () => told.push('create'));
  agent.pool(origin).on('release', () => told.push('release'));
  await ask(agent, origin);
  await until('both', () => told, ({ length }) => length === 2);
  expect(told).toEqual(['create', 'release']);
  expect(agent.pools.get(origin)?.name).toBe(`api/${origin}`);
  expect([...agent.stats().perKey.keys()]).toEqual([origin]);
});
