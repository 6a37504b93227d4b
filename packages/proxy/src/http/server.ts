// The port for machines that look after the proxy: /metrics for Prometheus, /healthz and /readyz for whoever starts and replaces it. It
// only tells, and does nothing; still it tells the names of databases and users, so it listens at this machine only unless told otherwise.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Log } from '../log.ts';
import type { Proxy } from '../proxy.ts';
import { CONTENT_TYPE, expositionOf, type Family } from './exposition.ts';

/** What is told of: a proxy, or several processes that are one. */
export interface Subject {
  readonly log: Pick<Log, 'error'>;
  families(): readonly Family[] | Promise<readonly Family[]>;
  /** Why clients should go elsewhere. */
  obstacle(): string | undefined | Promise<string | undefined>;
}

export interface HttpServer {
  readonly port: number;
  close(): void;
}

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
}

/** Rejects when the address cannot be had. */
export async function listenHttp(subject: Subject, { host, port }: { readonly host: string; readonly port: number }): Promise<HttpServer> {
  const server = createServer((request, response) => void answer(subject, request, response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen({ host: host === '*' ? '::' : host, port }, () => {
      server.off('error', reject).on('error', (error) => subject.log.error(`http: ${error.message}`));
      resolve();
    });
  });
  return { port: portOf(server, port), close: () => server.close().closeAllConnections() };
}

function portOf(server: Server, wanted: number): number {
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : wanted;
}

async function answer(subject: Subject, { method, url = '/' }: IncomingMessage, response: ServerResponse): Promise<void> {
  const reading = method === 'GET' || method === 'HEAD';
  const { status, body, type = 'text/plain; charset=utf-8' }: Reply = reading ? await reply(subject, url.split('?')[0]!)
    : { status: 405, body: 'GET only\n' };
  response.writeHead(status, {
    'Content-Type': type, 'Content-Length': Buffer.byteLength(body), 'Cache-Control': 'no-store',
    ...(reading ? {} : { Allow: 'GET, HEAD' }),
  });
  response.end(method === 'HEAD' ? undefined : body);
}

async function reply(subject: Subject, path: string): Promise<Reply> {
  switch (path) {
    case '/metrics': return { status: 200, body: expositionOf(await subject.families()), type: CONTENT_TYPE };
    case '/healthz': return { status: 200, body: 'ok\n' };
    case '/readyz': {
      const obstacle = await subject.obstacle();
      return obstacle === undefined ? { status: 200, body: 'ready\n' } : { status: 503, body: `${obstacle}\n` };
    }
    default: return { status: 404, body: 'there are /metrics, /healthz and /readyz\n' };
  }
}

/** Why clients should go elsewhere. */
export function obstacleOf(proxy: Proxy): string | undefined {
  if (proxy.isClosing) return 'shutting down';
  if (!proxy.isListening) return 'not listening yet';
  return proxy.router.mode === 'active' ? undefined : proxy.router.mode;
}
