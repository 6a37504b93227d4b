// A request is sent again when a connection that had been used before died before the first byte of its answer; and in no other case.

import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { VirtualClock } from 'millpond/testing';
import { expect, test } from 'vitest';
import { until } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';
import { seeded } from '../support/seeded.ts';
import { agentOf, ask, failure, Gate, Hanging, read, serve, type Stage } from './stage.ts';
import type { HttpAgent } from 'millpond/http';

type End = 'ends' | 'resets';

/** A server that answers the first request of each connection and ends the connection at the second one, unread. */
async function treacherous(how: End): Promise<Stage> {
  const used = new WeakSet<Socket>();
  return serve((request, response) => {
    const { socket } = request;
    if (!used.has(socket)) {
      used.add(socket);
      response.end(`${request.method} ${request.url}`);
    } else if (how === 'ends') {
      socket.end();
    } else {
      socket.resetAndDestroy();
    }
  });
}

async function idle(agent: HttpAgent): Promise<void> {
  await until('an idle connection', () => agent.stats().idle, (count) => count === 1);
}

for (const how of ['ends', 'resets'] as const) {
  test(`a GET on a connection that the server ${how} as it comes is answered all the same`, async () => {
    const { origin, sockets } = await treacherous(how);
    const agent = agentOf();
    await ask(agent, `${origin}/one`);
    await idle(agent);
    expect(await ask(agent, `${origin}/two`)).toMatchObject({ body: 'GET /two', reused: false });
    expect(agent.stats().retries).toBe(1);
    expect(sockets.length).toBe(2);
  });

  test(`so are the other methods that may be repeated, when they have no body, where the server ${how} the connection`, async () => {
    const { origin } = await treacherous(how);
    const agent = agentOf();
    for (const method of ['HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']) {
      agent.destroy();
      await until('none to be left', () => agent.stats().size, (size) => size === 0);
      await ask(agent, origin);
      await idle(agent);
      expect(await ask(agent, `${origin}/again`, { method })).toMatchObject({ status: 200, reused: false });
    }
    expect(agent.stats().retries).toBe(5);
  });

  test(`a POST fails, and is not sent twice, with a body or without, where the server ${how} the connection`, async () => {
    for (const more of [{ body: 'money' }, {}]) {
      const { origin, seen } = await treacherous(how);
      const agent = agentOf();
      await ask(agent, origin);
      await idle(agent);
      await expect(ask(agent, `${origin}/pay`, { method: 'POST', ...more })).rejects.toMatchObject({ code: 'ECONNRESET' });
      expect(seen).toEqual(['GET /', 'POST /pay']);
      expect(agent.stats().retries).toBe(0);
    }
  });
}

test('a request with a body fails, whatever its method and its headers say: the body is gone', async () => {
  const { origin } = await treacherous('ends');
  const agent = agentOf();
  const all: http.RequestOptions[] = [
    { method: 'PUT' }, { method: 'PUT', headers: { 'Content-Length': '4' } },
    { method: 'PUT', headers: { 'Transfer-Encoding': 'chunked' } },
    { method: 'DELETE', headers: { 'Content-Length': '4' } }, { method: 'GET' },
  ];
  for (const options of all) {
    agent.destroy();
    await until('none to be left', () => agent.stats().size, (size) => size === 0);
    await ask(agent, origin);
    await idle(agent);
    await expect(ask(agent, origin, { ...options, body: 'text' })).rejects.toMatchObject({ code: 'ECONNRESET' });
  }
  expect(agent.stats().retries).toBe(0);
});

test('a GET on a new connection that dies fails at once: that is the server, not a crossing', async () => {
  const { origin, seen } = await serve((request) => void request.socket.destroy());
  const agent = agentOf();
  await expect(ask(agent, `${origin}/`)).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect(seen).toEqual(['GET /']);
});

test('a GET whose answer has begun fails: what has been read cannot be unread', async () => {
  let nth = 0;
  const { origin, port } = await serve((_, response) => {
    if (nth++ === 0) response.end('whole');
    else response.socket!.write('HTTP/1.1 200 OK\r\nContent-Le', () => response.socket!.destroy());
  });
  const agent = agentOf();
  await ask(agent, origin);
  await idle(agent);
  expect((await failure(http.get({ port, host: '127.0.0.1', agent }))).code).toBe('ECONNRESET');
  expect(agent.stats().retries).toBe(0);
});

test('a request that has been out for as long as it may wait fails: nobody expects its answer any more', async () => {
  for (const lastsMs of [999, 1_000]) {
    const clock = new VirtualClock();
    const gate = new Gate();
    const used = new WeakSet<Socket>();
    const { origin } = await serve(({ socket }, response) => {
      if (used.has(socket)) gate.pass(() => socket.destroy());
      else response.end('answered');
      used.add(socket);
    });
    const agent = agentOf({ clock, acquireTimeoutMs: 1_000 });
    await ask(agent, origin);
    await idle(agent);
    const slow = ask(agent, origin).then(({ body }) => body, String);
    await until('it to be there', () => gate.held, (held) => held === 1);
    await clock.advance(lastsMs);
    gate.open();
    expect(await slow).toBe(lastsMs < 1_000 ? 'answered' : 'Error: socket hang up');
  }
});

test('a GET is sent again on a connection that has gone from one waiting request to the next for longer than any may wait', async () => {
  const clock = new VirtualClock();
  const gate = new Gate();
  let kill = true;
  const { origin } = await serve(({ url, socket }, response) => {
    if (url !== '/dies') gate.pass(() => response.end(url));
    else if (kill) socket.destroy();
    else response.end('answered');
    if (url === '/dies') kill = false;
  });
  const agent = agentOf({ clock, max: 1, acquireTimeoutMs: 1_000, keepAliveTimeoutMs: Infinity });
  const answers: Promise<unknown>[] = [];
  for (const path of ['/one', '/two', '/dies']) {
    answers.push(ask(agent, `${origin}${path}`).then(({ body }) => body, String));
    if (path === '/one') continue;
    await until('one to be served, and one to wait', () => gate.held === 1 && agent.stats().waiting === 1, Boolean);
    await clock.advance(900);
    gate.next();
  }
  expect(await Promise.all(answers)).toEqual(['/one', '/two', 'answered']);
  expect(agent.stats().retries).toBe(1);
});

test('with retry off the end reaches the request, as with the agent of Node', async () => {
  const { origin } = await treacherous('ends');
  const agent = agentOf({ retry: false });
  await ask(agent, origin);
  await idle(agent);
  await expect(ask(agent, origin)).rejects.toMatchObject({ code: 'ECONNRESET', message: 'socket hang up' });
});

test('a request that crashes each server it reaches ends after the first new connection', async () => {
  const gate = new Gate();
  const { origin, seen } = await serve((request, response) => {
    if (request.url === '/poison') request.socket.destroy();
    else gate.pass(() => response.end());
  });
  const agent = agentOf();
  const three = [1, 2, 3].map(() => ask(agent, origin));
  await until('three', () => gate.held, (held) => held === 3);
  gate.open();
  await Promise.all(three);
  await until('three idle', () => agent.stats().idle, (count) => count === 3);
  await expect(ask(agent, `${origin}/poison`)).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect(seen.filter((line) => line === 'GET /poison').length).toBeLessThanOrEqual(4);
});

test('a request that is sent again keeps its timeout, tells its socket twice, and each of its other events once', async () => {
  const { origin, port } = await treacherous('resets');
  const agent = agentOf();
  await ask(agent, origin);
  await idle(agent);
  const told: string[] = [];
  const request = http.get({ port, host: '127.0.0.1', path: '/two', agent });
  for (const event of ['socket', 'finish', 'response', 'error', 'timeout', 'close']) request.on(event, () => told.push(event));
  request.setTimeout(45_000);
  const [response] = await once(request, 'response') as [IncomingMessage];
  expect(request.socket!.timeout).toBe(45_000);
  expect(await read(response)).toBe('GET /two');
  await until('its close', () => told, (all) => all.includes('close'));
  expect([...told].sort()).toEqual(['close', 'finish', 'response', 'socket', 'socket']);
});

test('a request that is destroyed while it waits to be sent again leaves the queue and ends as a destroyed one', async () => {
  const { origin, port, seen } = await treacherous('resets');
  const agent = agentOf();
  await ask(agent, origin);
  await idle(agent);
  agent.createConnection = () => new Hanging();
  const request = http.get({ port, host: '127.0.0.1', path: '/two', agent });
  const failed = failure(request);
  await until('it to wait again', () => agent.stats().waiting, (waiting) => waiting === 1);
  const mine = new Error('changed my mind');
  request.destroy(mine);
  expect(agent.stats()).toMatchObject({ waiting: 0, retries: 1 });
  expect(await failed).toBe(mine);
  expect(seen).toEqual(['GET /', 'GET /two']);
});

test('what ends a connection on this side is meant, and is not made good', async () => {
  const { origin, port } = await serve((request, response) => {
    if (request.url === '/') response.end();
  });
  const agent = agentOf();
  for (const error of [undefined, new Error('enough'), Object.assign(new Error('enough'), { code: 'ECONNRESET' })]) {
    await ask(agent, origin);
    await idle(agent);
    const request = http.get({ port, host: '127.0.0.1', path: '/hang', agent });
    const failed = failure(request);
    await once(request, 'socket');
    request.socket!.destroy(error);
    expect((await failed).message).toBe(error?.message ?? 'socket hang up');
  }
  expect(agent.stats().retries).toBe(0);
});

test('thousands of requests to a server that closes connections at random all get their own answer', async () => {
  const random = seeded(20_261_127);
  const { origin } = await serve((request, response) => {
    response.end(request.url);
    if (random() < 0.7) return;
    const { socket } = request;
    const end = (): void => void (random() < 0.5 ? socket.destroy() : socket.resetAndDestroy());
    response.on('finish', () => setTimeout(end, random() * 3));
  });
  const agent = agentOf({ max: 20, acquireTimeoutMs: 60_000 });
  let next = 0;
  const wrong: unknown[] = [];
  await Promise.all(Array.from({ length: 30 }, async () => {
    for (let nth = next++; nth < 1_200; nth = next++) {
      const { body } = await ask(agent, `${origin}/${nth}`).catch((error: unknown) => ({ body: String(error) }));
      if (body !== `/${nth}`) wrong.push(body);
    }
  }));
  expect(wrong).toEqual([]);
  // It would prove nothing if no request had met an end.
  expect(agent.stats().retries).toBeGreaterThan(50);
  await until('all to be idle', () => agent.stats(), ({ idle: count, size }) => count === size);
});

test('a server that is restarted is found again, and no GET on the connections to the old one is lost', async () => {
  const first = await serve((_, response) => response.end('old'));
  const agent = agentOf();
  await Promise.all([1, 2, 3].map(() => ask(agent, first.origin)));
  first.server.closeAllConnections();
  await new Promise((resolve) => first.server.close(resolve));
  await serve((_, response) => response.end('new'), { port: first.port });
  for (let nth = 0; nth < 3; nth++) expect(await ask(agent, first.origin)).toMatchObject({ body: 'new' });
});

test('a connection that has gone silent ends by the timeout of its request, and is not used again', async () => {
  const { port, seen } = await serve((_, response) => response.end('fine'));
  const proxy = await TcpProxy.start({ port, record: false });
  const agent = agentOf();
  const origin = `http://127.0.0.1:${proxy.port}`;
  await ask(agent, origin);
  await idle(agent);
  proxy.silence();
  const request = http.get(origin, { agent, timeout: 100 });
  request.on('timeout', () => request.destroy());
  expect((await failure(request)).code).toBe('ECONNRESET');
  proxy.resume(() => false);
  expect(await ask(agent, origin)).toMatchObject({ body: 'fine', reused: false });
  expect(seen.length).toBe(2);
  await agent.close();
  await proxy[Symbol.asyncDispose]();
});
