// The clients that people use, with our agent in the place of Node's.

import axios, { type AxiosInstance } from 'axios';
import { makeCertificate } from '@millpond/lab/certificate';
import { got } from 'got';
import { HttpAgent, HttpsAgent } from 'millpond/http';
import fetch from 'node-fetch';
import type { Agent } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { until } from '../support/postgres.ts';
import { serve, type Stage } from './stage.ts';

interface Client {
  get(url: string): Promise<string>;
  post(url: string, body: string): Promise<string>;
  abort(url: string): Promise<unknown>;
}

interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

const certificate = makeCertificate('localhost');

const clients: Readonly<Record<string, (agents: Agents) => Client>> = {
  axios: (agents) => {
    const client: AxiosInstance = axios.create({ httpAgent: agents.http, httpsAgent: agents.https, responseType: 'text' });
    return {
      get: async (url) => (await client.get<string>(url)).data,
      post: async (url, body) => (await client.post<string>(url, body)).data,
      abort: (url) => client.get(url, { signal: AbortSignal.timeout(100) }),
    };
  },
  got: (agents) => {
    const client = got.extend({ agent: agents, retry: { limit: 0 } });
    return {
      get: (url) => client(url).text(),
      post: (url, body) => client.post(url, { body }).text(),
      abort: (url) => client(url, { timeout: { request: 100 } }),
    };
  },
  'node-fetch': (agents) => {
    const agent = ({ protocol }: URL): Agent => protocol === 'https:' ? agents.https : agents.http;
    return {
      get: async (url) => (await fetch(url, { agent })).text(),
      post: async (url, body) => (await fetch(url, { agent, method: 'POST', body })).text(),
      abort: (url) => fetch(url, { agent, signal: AbortSignal.timeout(100) }),
    };
  },
};

async function echo(tls: boolean): Promise<Stage> {
  const used = new WeakSet<Socket>();
  return serve((request, response) => {
    if (request.url === '/silent') return;
    // Cuts each connection at its second request.
    if (request.url === '/crossing' && used.has(request.socket)) {
      request.socket.resetAndDestroy();
      return;
    }
    used.add(request.socket);
    if (request.url === '/moved') {
      response.writeHead(302, { Location: '/found' }).end();
      return;
    }
    let body = '';
    request.on('data', (chunk) => { body += String(chunk); });
    request.on('end', () => response.end(`${request.method} ${request.url} ${body}`));
  }, tls ? { tls: certificate } : {});
}

for (const [name, make] of Object.entries(clients)) {
  describe(name, () => {
    function clientOf(): { readonly agents: Agents; readonly client: Client } {
      const agents = {
        http: new HttpAgent({ acquireTimeoutMs: 60_000 }),
        https: new HttpsAgent({ ca: certificate.cert, acquireTimeoutMs: 60_000 }),
      };
      onTestFinished(async () => {
        await Promise.all([agents.http.close({ deadlineMs: 0 }), agents.https.close({ deadlineMs: 0 })]);
      });
      return { agents, client: make(agents) };
    }

    for (const tls of [false, true]) {
      test(`asks, posts and follows over one connection, ${tls ? 'with' : 'without'} TLS`, async () => {
        const stage = await echo(tls);
        const { agents, client } = clientOf();
        const origin = `${tls ? 'https' : 'http'}://localhost:${stage.port}`;
        const agent = tls ? agents.https : agents.http;
        for (let nth = 0; nth < 3; nth++) {
          expect(await client.get(`${origin}/${nth}`)).toBe(`GET /${nth} `);
          await until('it to be idle', () => agent.stats().idle, (idle) => idle === 1);
        }
        expect(await client.post(`${origin}/data`, 'text')).toBe('POST /data text');
        await until('it to be idle', () => agent.stats().idle, (idle) => idle === 1);
        expect(await client.get(`${origin}/moved`)).toBe('GET /found ');
        await until('all idle', () => agent.stats(), ({ idle, size }) => idle === size);
        expect(agent.stats().size).toBeLessThanOrEqual(2);
      });
    }

    test('does not notice that a connection was cut as its request went out', async () => {
      const { port } = await echo(false);
      const { agents, client } = clientOf();
      for (let nth = 0; nth < 10; nth++) {
        expect(await client.get(`http://localhost:${port}/crossing`)).toBe('GET /crossing ');
        await until('it to be idle', () => agents.http.stats().idle, (idle) => idle === 1);
      }
      expect(agents.http.stats().retries).toBeGreaterThanOrEqual(5);
    });

    test('gives up, and the connection is gone', async () => {
      const { port } = await echo(false);
      const { agents, client } = clientOf();
      await expect(client.abort(`http://localhost:${port}/silent`)).rejects.toThrow();
      await until('it to be gone', () => agents.http.stats().size, (size) => size === 0);
    });

    test('is told ECONNREFUSED', async () => {
      const { port, server } = await echo(false);
      await new Promise((resolve) => server.close(resolve));
      const { client } = clientOf();
      await expect(client.get(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    });
  });
}
