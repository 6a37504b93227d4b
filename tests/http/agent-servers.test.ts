// HttpAgent against servers that close idle connections as those in production do: nginx, HAProxy, and a process that is killed.

import http from 'node:http';
import { startHaproxy } from '@millpond/lab/haproxy';
import { startNginx, type ProgramServer } from '@millpond/lab/nginx';
import type { HttpAgent } from 'millpond/http';
import { expect, onTestFinished, test } from 'vitest';
import { until } from '../support/postgres.ts';
import { agentOf, ask, failure, serve, withProgram } from './stage.ts';

async function nginx(server: readonly string[]): Promise<ProgramServer & { readonly origin: string }> {
  const running = await startNginx({ server });
  onTestFinished(() => running.stop());
  return Object.assign(running, { origin: `http://127.0.0.1:${running.port}` });
}

const HELLO = 'location / { return 200 "hello"; }';

/** So many requests, by so many at once, with pauses of up to so long between those of each. Returns what was not as it should be. */
async function load(agent: HttpAgent, url: string, { requests = 300, callers = 10, pauseMs = 0 } = {}): Promise<unknown[]> {
  const wrong: unknown[] = [];
  let next = 0;
  await Promise.all(Array.from({ length: callers }, async () => {
    while (next < requests) {
      const nth = next++;
      await ask(agent, url).then(({ status }) => status === 200 || wrong.push(status), (error: unknown) => wrong.push(String(error)));
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, (nth * 37) % pauseMs));
    }
  }));
  return wrong;
}

withProgram('nginx', () => {
  test('with keepalive_timeout 1s and the hint, no request is lost, and idle connections are given up', async () => {
    const { origin } = await nginx(['keepalive_timeout 1s 1s;', HELLO]);
    const agent = agentOf({ acquireTimeoutMs: 60_000 });
    // The pauses pass over the moment at which the server closes, and over the half second before it at which the agent does.
    expect(await load(agent, origin, { requests: 60, callers: 20, pauseMs: 1_400 })).toEqual([]);
    await until('all to be given up', () => agent.stats().size, (size) => size === 0);
  });

  test('without the hint a request whose connection is just being closed is sent again', async () => {
    const { origin } = await nginx(['keepalive_timeout 1s;', HELLO]);
    const agent = agentOf({ keepAliveTimeoutMs: Infinity, acquireTimeoutMs: 60_000 });
    expect(await load(agent, origin, { requests: 60, callers: 20, pauseMs: 1_400 })).toEqual([]);
  });

  test('with keepalive_requests 10 each connection carries ten, and the eleventh goes over a new one', async () => {
    const { origin } = await nginx(['keepalive_requests 10;', HELLO]);
    const agent = agentOf({ max: 4, retry: false, acquireTimeoutMs: 60_000 });
    expect(await load(agent, origin, { requests: 200, callers: 4 })).toEqual([]);
    const [stats] = [...agent.stats().perKey.values()];
    expect(stats!.totals.created).toBeGreaterThanOrEqual(20);
    expect(stats!.totals.created).toBeLessThanOrEqual(24);
  });

  test('a server that is killed and started again is found again', async () => {
    const server = await nginx([HELLO]);
    const agent = agentOf({ acquireTimeoutMs: 60_000 });
    expect(await load(agent, server.origin, { requests: 20, callers: 5 })).toEqual([]);
    await server.kill();
    await until('its connections to be noticed', () => agent.stats().size, (size) => size === 0);
    await expect(ask(agent, server.origin)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await server.start();
    expect(await load(agent, server.origin, { requests: 20, callers: 5 })).toEqual([]);
  });

  test('a server that is frozen costs its requests their deadline, and nothing afterwards', async () => {
    const server = await nginx([HELLO]);
    const agent = agentOf({ max: 2, acquireTimeoutMs: 60_000 });
    await Promise.all([ask(agent, server.origin), ask(agent, server.origin)]);
    await until('both idle', () => agent.stats().idle, (idle) => idle > 0);
    server.pause();
    const request = http.get(server.origin, { agent, signal: AbortSignal.timeout(100) });
    expect((await failure(request)).name).toBe('AbortError');
    server.resume();
    expect(await ask(agent, server.origin)).toMatchObject({ body: 'hello' });
  });
});

withProgram('HAProxy', () => {
  async function haproxy(frontend: readonly string[]): Promise<string> {
    const { port } = await serve((request, response) => {
      request.resume().on('end', () => response.end('behind'));
    });
    const running = await startHaproxy({ backendPort: port, frontend });
    onTestFinished(() => running.stop());
    return `http://127.0.0.1:${running.port}`;
  }

  test('with timeout http-keep-alive, which it does not announce, GETs are sent again', async () => {
    const origin = await haproxy(['timeout http-keep-alive 300ms', 'timeout client 10s']);
    const agent = agentOf({ keepAliveTimeoutMs: Infinity, acquireTimeoutMs: 60_000 });
    expect(await load(agent, origin, { requests: 100, callers: 20, pauseMs: 420 })).toEqual([]);
  });

  test('a POST is safe as well when keepAliveTimeoutMs stays below what the proxy is set to', async () => {
    const origin = await haproxy(['timeout http-keep-alive 5s']);
    const agent = agentOf({ keepAliveTimeoutMs: 1_000, acquireTimeoutMs: 60_000 });
    for (let nth = 0; nth < 5; nth++) {
      expect(await ask(agent, origin, { method: 'POST', body: 'text' })).toMatchObject({ status: 200, body: 'behind' });
    }
  });
});
