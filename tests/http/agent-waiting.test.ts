// Requests that wait for a connection: how long, how many, and how they leave.

import { once } from 'node:events';
import http, { type ClientRequest } from 'node:http';
import type net from 'node:net';
import { expect, test } from 'vitest';
import { until } from '../support/postgres.ts';
import type { HttpAgent } from 'millpond/http';
import { retainedBytes } from '../support/retained.ts';
import { agentOf, ask, failure, Gate, Hanging, serve } from './stage.ts';

/** An agent with one connection, which is held at the gate by a request. */
async function full(options: ConstructorParameters<typeof HttpAgent>[0] = {}) {
  const gate = new Gate();
  const stage = await serve((_, response) => gate.pass(() => response.end('done')));
  const agent = agentOf({ max: 1, acquireTimeoutMs: 60_000, ...options });
  // The deadline that a test is about is none for its own beginning.
  await agent.warm(stage.origin, { timeoutMs: 60_000 });
  const holder = ask(agent, `${stage.origin}/holder`);
  await until('the holder at the server', () => gate.held, (held) => held === 1);
  const get = (path: string, more: http.RequestOptions = {}): ClientRequest => {
    return http.get({ port: stage.port, host: '127.0.0.1', path, agent, ...more });
  };
  return { gate, stage, agent, holder, get };
}

test('a request that waits too long fails with a code and with the numbers, and never reaches the server', async () => {
  const { gate, stage, agent, holder, get } = await full({ acquireTimeoutMs: 50 });
  const error = await failure(get('/late'));
  expect(error).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT', retryable: true });
  expect(error.message).toContain(`http/${stage.origin}`);
  expect(agent.requests).toEqual({});
  gate.open();
  await holder;
  expect(stage.seen).toEqual(['GET /holder']);
});

test('one that comes when the queue is full is turned away at once', async () => {
  const { gate, agent, holder, get } = await full({ maxWaiting: 2 });
  const waiting = [get('/1'), get('/2')].map(async (request) => {
    const [response] = await once(request, 'response') as [http.IncomingMessage];
    response.resume();
  });
  expect((await failure(get('/3'))).code).toBe('ERR_POOL_QUEUE_FULL');
  expect(agent.stats()).toMatchObject({ waiting: 2 });
  gate.open();
  await holder;
  await Promise.all(waiting);
});

test('one whose signal aborts leaves the queue at once, and fails with the abort', async () => {
  const { gate, stage, agent, holder, get } = await full();
  const controller = new AbortController();
  const request = get('/aborted', { signal: controller.signal });
  const failed = failure(request);
  expect(agent.stats()).toMatchObject({ waiting: 1 });
  controller.abort();
  expect(agent.stats()).toMatchObject({ waiting: 0 });
  expect(await failed).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
  gate.open();
  await holder;
  expect(stage.seen).toEqual(['GET /holder']);
});

test('one that is destroyed leaves the queue at once, with its own error or with the one that Node has for it', async () => {
  const { gate, stage, agent, holder, get } = await full();
  const mine = new Error('changed my mind');
  const [plain, withError, aborted] = [get('/plain'), get('/error'), get('/abort')];
  const failed = Promise.all([failure(plain), failure(withError)]);
  const closed = once(aborted, 'close');
  aborted.on('error', () => undefined);
  plain.destroy();
  withError.destroy(mine);
  // oxlint-disable-next-line typescript/no-deprecated -- old clients call it
  aborted.abort();
  expect(agent.stats()).toMatchObject({ waiting: 0 });
  const [hangUp, own] = await failed;
  expect(hangUp).toMatchObject({ code: 'ECONNRESET', message: 'socket hang up' });
  expect(own).toBe(mine);
  await closed;
  gate.open();
  await holder;
  expect(stage.seen).toEqual(['GET /holder']);
});

test('a request with a timeout is told when it has waited for that long, and goes on waiting unless it is destroyed', async () => {
  const { gate, agent, holder, get } = await full();
  const request = get('/', { timeout: 20 });
  await once(request, 'timeout');
  expect(agent.stats()).toMatchObject({ waiting: 1 });
  gate.open();
  await holder;
  const [response] = await once(request, 'response') as [http.IncomingMessage];
  response.resume();
});

test('a connection that comes in the moment its request is destroyed goes to the next one', async () => {
  const { gate, stage, agent, holder, get } = await full();
  const [first, second] = [get('/first'), get('/second')];
  const failed = failure(first);
  const [socket] = Object.values(agent.sockets).flat() as [net.Socket];
  // Ours has lent it by then, and the request has not heard of it.
  socket.on('free', () => first.destroy());
  gate.open();
  await holder;
  expect((await failed).code).toBe('ECONNRESET');
  const [response] = await once(second, 'response') as [http.IncomingMessage];
  response.resume();
  expect(second.reusedSocket).toBe(true);
  expect(stage.seen).toEqual(['GET /holder', 'GET /second']);
});

test('a thousand that give up at once leave nothing behind, and the agent goes on', async () => {
  const { gate, agent, holder, get, stage } = await full();
  const all = Array.from({ length: 1_000 }, (_, nth) => get(`/${nth}`));
  const failed = all.map((request) => failure(request));
  for (const request of all) request.destroy();
  await Promise.all(failed);
  expect(agent.stats()).toMatchObject({ waiting: 0, borrowed: 1 });
  gate.open();
  await holder;
  expect(await ask(agent, stage.origin)).toMatchObject({ body: 'done', reused: true });
});

test('a connect that hangs ends with the deadline of who waits for it', async () => {
  const agent = agentOf({ acquireTimeoutMs: 50, max: 1 });
  agent.createConnection = () => new Hanging();
  expect((await failure(http.get('http://127.0.0.1:1/', { agent }))).code).toBe('ERR_POOL_ACQUIRE_TIMEOUT');
});

test('a connect that outlives createTimeoutMs is told as such, and its socket destroyed', async () => {
  const agent = agentOf({ createTimeoutMs: 50 });
  const made: net.Socket[] = [];
  agent.createConnection = () => {
    made.push(new Hanging());
    return made.at(-1);
  };
  expect((await failure(http.get('http://127.0.0.1:1/', { agent }))).code).toBe('ERR_POOL_CREATE_TIMEOUT');
  expect(made.map(({ destroyed }) => destroyed)).toEqual([true]);
});

test('requests that waited leave nothing behind for a full collection', async () => {
  const { origin } = await serve((_, response) => response.end('x'));
  const agent = agentOf({ max: 4 });
  const load = async (midway: () => void): Promise<void> => {
    let left = 6_000;
    const caller = async (): Promise<void> => {
      while (left-- > 0) {
        if (left === 5_000) midway();
        await ask(agent, origin);
      }
    };
    await Promise.all(Array.from({ length: 24 }, caller));
  };
  // It is a fifth of that; when they stood in a Set it was twice as much.
  expect(await retainedBytes(load)).toBeLessThan(5_000_000);
});
