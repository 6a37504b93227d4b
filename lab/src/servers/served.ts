// What a server of ours answers, in its own process: a line for a line, or a page over HTTP. Started by `node-server.ts`, which sends the
// order and is told the port.
import { once } from 'node:events';
import { createServer, type RequestListener, type Server as HttpServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { startLineServer } from '../bench/tcp/line.ts';
import type { Certificate } from './certificate.ts';

export interface Order {
  readonly serve: 'lines' | 'pages';
  /** 0: a free one. */
  readonly port: number;
  readonly certificate?: Certificate;
}

export const PAGE = 'what was asked for\n';

/** Long enough that nobody's connection ends by age in a measurement. */
const KEEP_ALIVE_MS = 60_000;

async function pages({ port, certificate }: Order): Promise<Server> {
  const answer: RequestListener = (_request, response) => {
    response.setHeader('content-type', 'text/plain');
    response.end(PAGE);
  };
  const server: HttpServer = certificate === undefined ? createServer(answer) : createSecureServer(certificate, answer);
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  // A server that closes what is idle, without a word beforehand: on demand, by SIGUSR2.
  process.on('SIGUSR2', () => server.closeIdleConnections());
  server.listen({ port, host: '127.0.0.1', backlog: 4096 });
  await once(server, 'listening');
  return server;
}

if (process.send !== undefined && process.argv[2] === 'serve') {
  process.once('message', (order: Order) => {
    const started = order.serve === 'pages' ? pages(order) : startLineServer(order.certificate, order.port).then(({ server }) => server);
    void started.then((server) => process.send?.((server.address() as AddressInfo).port));
  });
  process.on('disconnect', () => process.exit());
}
