// The contract that every factory keeps, kept by this one: over TCP, over TLS and over a Unix socket.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from '@millpond/lab/certificate';
import { exchange, tcpFactory, type TcpConnectOptions } from 'millpond/tcp';
import { defineCases, factoryContract } from 'millpond/testing';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { ask, LineServer, type LineServerOptions } from '../support/line-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'millpond-tcp-'));
const path = join(folder, 'line.sock');
const { cert, key } = makeCertificate('localhost');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const WAYS: readonly { readonly name: string; readonly server: LineServerOptions; readonly options: TcpConnectOptions }[] = [
  { name: 'TCP', server: {}, options: {} },
  { name: 'TLS 1.3', server: { tls: { cert, key } }, options: { tls: { ca: cert } } },
  { name: 'TLS 1.2', server: { tls: { cert, key, maxVersion: 'TLSv1.2' } }, options: { tls: { ca: cert } } },
  { name: 'a Unix socket', server: { path }, options: {} },
];

describe.each(WAYS)('the factory contract over $name', ({ name, server: serverOptions, options }) => {
  let server: LineServer;
  beforeAll(async () => {
    server = await LineServer.start(serverOptions);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  defineCases(factoryContract({
    name: `tcpFactory (${name})`,
    factory: () => tcpFactory({
      ...options,
      ...(serverOptions.path === undefined ? { host: 'localhost', family: 4, port: server.port } : { path: serverOptions.path }),
      validate: async (socket, { signal }) => await exchange(socket, () => ask(socket, 'PING'), { signal }) === 'PONG',
    }),
    use: (socket) => ask(socket, 'hello'),
    countOpen: () => server.connections.size,
    kill: (socket) => server.kill(socket),
    soil: (socket) => {
      socket.on('data', () => {});
      socket.setTimeout(5, () => socket.destroy(new Error('a timeout that somebody left')));
      socket.pause().cork();
    },
    isClean: (socket) => socket.readableFlowing === null && !socket.timeout && socket.writableCorked === 0
      && socket.listenerCount('data') === 0 && socket.listenerCount('timeout') === 0,
    refuse: () => server.refuse(),
    restore: () => server.listen(),
  }), it);
});
