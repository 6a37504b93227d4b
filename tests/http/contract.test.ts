// The contract that every factory keeps, kept by that of HTTP/2 sessions.

import http2, { type ClientHttp2Session, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { h2Factory } from 'millpond/http';
import { defineCases, factoryContract } from 'millpond/testing';
import { afterAll, beforeAll, it } from 'vitest';

const sessions = new Set<ServerHttp2Session>();
const server = http2.createServer((request, response) => { response.end(request.url); });
let port = 0;

const listen = (): Promise<void> => new Promise((resolve) => { server.listen(port, '127.0.0.1', resolve); });

beforeAll(async () => {
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined).on('close', () => sessions.delete(session));
  });
  await listen();
  port = (server.address() as AddressInfo).port;
});

afterAll(() => {
  for (const session of sessions) session.destroy();
  server.close();
});

defineCases(factoryContract<ClientHttp2Session>({
  name: 'h2Factory',
  factory: () => h2Factory({ authority: `http://127.0.0.1:${port}` }),
  use: (session) => new Promise<void>((resolve, reject) => {
    session.request({ ':path': '/' }).on('error', reject).on('response', () => resolve()).resume().end();
  }),
  countOpen: () => sessions.size,
  kill: (session) => {
    const { localPort } = session.socket;
    for (const each of sessions) if (each.socket.remotePort === localPort) each.destroy();
  },
  refuse: () => new Promise<void>((resolve) => {
    server.close(() => undefined);
    resolve();
  }),
  restore: listen,
  patienceMs: 60_000,
}), it);
