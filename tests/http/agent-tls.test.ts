// HttpsAgent: identities that are kept apart, sessions that are resumed, and secrets that are not shown.

import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import { createSecureContext, TLSSocket } from 'node:tls';
import { inspect } from 'node:util';
import { makeCertificate } from '@millpond/lab/certificate';
import { HttpsAgent, type HttpsAgentOptions } from 'millpond/http';
import { expect, onTestFinished, test } from 'vitest';
import { until } from '../support/postgres.ts';
import { ask, failure, read, serve } from './stage.ts';

const certificate = makeCertificate('localhost');
const ours = makeCertificate('client-one');
const theirs = makeCertificate('client-two');

function agentOf(options?: HttpsAgentOptions): HttpsAgent {
  const agent = new HttpsAgent({ acquireTimeoutMs: 60_000, ...options });
  onTestFinished(async () => { await agent.close({ deadlineMs: 0 }); });
  return agent;
}

test('asks over one connection, whose certificate it has checked', async () => {
  const { port, sockets } = await serve((_, response) => response.end('secret'), { tls: certificate });
  const agent = agentOf({ ca: certificate.cert });
  for (const reused of [false, true, true]) {
    expect(await ask(agent, `https://localhost:${port}`)).toMatchObject({ body: 'secret', reused });
  }
  expect(sockets.length).toBe(1);
  expect([...agent.pools.keys()]).toEqual([`https://localhost:${port}`]);
});

test('a certificate that does not hold fails the request with what is wrong with it', async () => {
  const { port } = await serve((_, response) => response.end(), { tls: certificate });
  expect((await failure(https.get({ port, host: 'localhost', agent: agentOf() }))).code).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
  const agent = agentOf({ ca: certificate.cert });
  expect((await failure(https.get({ port, host: '127.0.0.1', agent }))).code).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
  expect(agent.stats().size).toBe(0);
});

test('sessions are resumed by origin', async () => {
  const resumed: boolean[] = [];
  const { port } = await serve((request, response) => {
    resumed.push((request.socket as TLSSocket).isSessionReused());
    response.setHeader('Connection', 'close').end();
  }, { tls: certificate });
  const agent = agentOf({ ca: certificate.cert });
  for (let nth = 0; nth < 3; nth++) {
    await ask(agent, `https://localhost:${port}`);
    await until('it to be gone', () => agent.stats().size, (size) => size === 0);
  }
  expect(resumed).toEqual([false, true, true]);
});

test('maxCachedSessions 0 resumes none', async () => {
  const resumed: boolean[] = [];
  const { port } = await serve((request, response) => {
    resumed.push((request.socket as TLSSocket).isSessionReused());
    response.setHeader('Connection', 'close').end();
  }, { tls: certificate });
  const agent = agentOf({ ca: certificate.cert, maxCachedSessions: 0 });
  for (let nth = 0; nth < 2; nth++) {
    await ask(agent, `https://localhost:${port}`);
    await until('it to be gone', () => agent.stats().size, (size) => size === 0);
  }
  expect(resumed).toEqual([false, false]);
});

test('requests with different identities never share a connection, and no key is shown', async () => {
  const { port } = await serve((request, response) => {
    response.end((request.socket as TLSSocket).getPeerCertificate().subject?.CN ?? 'nobody');
  }, { tls: { ...certificate, requestCert: true, rejectUnauthorized: false } as typeof certificate });
  const agent = agentOf({ ca: certificate.cert });
  const url = `https://localhost:${port}`;
  const identities: readonly https.RequestOptions[] = [ours, theirs, {}, ours, {}, theirs];
  const bodies: string[] = [];
  for (const identity of identities) bodies.push((await ask(agent, url, identity)).body);
  expect(bodies).toEqual(['client-one', 'client-two', 'nobody', 'client-one', 'nobody', 'client-two']);
  const names = [...agent.stats().perKey.keys()];
  expect(names.length).toBe(3);
  for (const name of names) expect(name).toMatch(new RegExp(`^https://localhost:${port}(?:#[0-9a-f]{12})?$`));
  const error = await failure(https.get({ ...ours, port: 1, host: '127.0.0.1', agent }));
  const shown = [agent.stats(), error, [...agent.pools.values()].map(({ name }) => name)];
  for (const each of shown) expect(inspect(each, { depth: 9 })).not.toContain('PRIVATE KEY');
});

test('the Host header names the server in the handshake, as with the agent of Node', async () => {
  const names: (string | false | null)[] = [];
  const { port } = await serve((request, response) => {
    names.push((request.socket as TLSSocket & { readonly servername?: string | false }).servername ?? null);
    response.end();
  }, { tls: certificate });
  const agent = agentOf({ ca: certificate.cert });
  for (const host of [`localhost:${port}`, 'localhost', 'localhost']) await ask(agent, `https://127.0.0.1:${port}`, { headers: { host } });
  expect(names).toEqual(['localhost', 'localhost', 'localhost']);
  expect(agent.stats()).toMatchObject({ keys: 1, size: 1 });
});

test('a connection is opened under the name of its pool, whichever of its requests says it how', async () => {
  const names: unknown[] = [];
  const { port } = await serve((request, response) => {
    names.push((request.socket as TLSSocket & { readonly servername?: string | false }).servername);
    response.setHeader('Connection', 'close').end();
  }, { tls: certificate });
  const agent = agentOf({ rejectUnauthorized: false });
  const says: readonly https.RequestOptions[] = [
    { headers: { host: 'one.example' } },
    { servername: 'one.example', headers: { host: 'two.example' } },
    { headers: { host: 'one.example' } },
  ];
  for (const each of says) await ask(agent, `https://127.0.0.1:${port}`, each);
  expect(names).toEqual(['one.example', 'one.example', 'one.example']);
});

test('a request that trusts otherwise never gets a connection that others have opened', async () => {
  const { port } = await serve((_, response) => response.end('ok'), { tls: certificate });
  const agent = agentOf({ ca: certificate.cert });
  const url = `https://localhost:${port}`;
  const lax: https.RequestOptions = { checkServerIdentity: () => undefined };
  const pinning: https.RequestOptions = { checkServerIdentity: () => new Error('not the one I know') };
  // Not in the types of requests, and yet passed on.
  const foreign = { secureContext: createSecureContext({ ca: ours.cert }) } as https.RequestOptions;
  for (const each of [{}, lax]) {
    expect(await ask(agent, url, each)).toMatchObject({ reused: false });
    expect(await ask(agent, url, each)).toMatchObject({ reused: true });
  }
  // One that is written anew for each request is no other one; of one that is bound nobody can tell.
  const anew: https.RequestOptions = { checkServerIdentity: () => undefined };
  const bound: https.RequestOptions = { checkServerIdentity: anew.checkServerIdentity!.bind(undefined) };
  expect(await ask(agent, url, anew)).toMatchObject({ reused: true });
  expect(await ask(agent, url, bound)).toMatchObject({ reused: false });
  await expect(ask(agent, url, pinning)).rejects.toThrow('not the one I know');
  await expect(ask(agent, url, foreign)).rejects.toThrow('self-signed certificate');
  // Lists are told apart by what is in them.
  const protocols = () => ({ ALPNProtocols: ['http/1.1'] }) as https.RequestOptions;
  for (const reused of [false, true]) expect(await ask(agent, url, protocols())).toMatchObject({ reused });
  const strict = agentOf({ ca: certificate.cert, checkServerIdentity: pinning.checkServerIdentity! });
  await expect(ask(strict, url, lax)).rejects.toThrow('not the one I know');
});

test('a connection that is lent is through with its handshake', async () => {
  const { port } = await serve((_, response) => response.end(), { tls: certificate });
  const agent = agentOf({ ca: certificate.cert });
  const request = https.get({ port, host: 'localhost', agent });
  const authorized = new Promise((resolve) => {
    request.on('socket', (socket) => resolve(socket instanceof TLSSocket && socket.authorized && !socket.connecting));
  });
  const [response] = await once(request, 'response') as [IncomingMessage];
  await read(response);
  expect(await authorized).toBe(true);
});

test('keys of TLS are told to whoever listens', async () => {
  const { port } = await serve((_, response) => response.end(), { tls: certificate });
  const agent = agentOf({ ca: certificate.cert });
  const lines: string[] = [];
  agent.on('keylog', (line) => lines.push(String(line)));
  await ask(agent, `https://localhost:${port}`);
  expect(lines.join('')).toMatch(/TRAFFIC_SECRET/);
});
