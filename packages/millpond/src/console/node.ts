// The console behind `node:http` and everything that hands on its requests.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Asker, Auth } from './access.ts';
import { readAction } from './actions.ts';
import type { Desk, Reply } from './desk.ts';
import type { Outlet } from './viewers.ts';

/** A viewer who has not taken this much is sent away. */
const MOST_BUFFERED = 1_048_576;
/** So that the end of an address can be read as one. */
const ANYWHERE = 'http://console';

export async function answerNode(desk: Desk, auth: Auth | undefined, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const target = targetOf(request);
  if (target === undefined) {
    response.writeHead(400, { 'Content-Type': 'text/plain' }).end('That is no address.\n');
    return;
  }
  const { path, query } = target;
  const asker: Asker = {
    method: request.method ?? 'GET', remoteAddress: addressOf(request.socket), query,
    header: (name) => {
      // HTTP/2 has no Host.
      const value = request.headers[name] ?? (name === 'host' ? request.headers[':authority'] : undefined);
      return Array.isArray(value) ? value[0] : value;
    },
  };
  try {
    const reply = await desk.answer(asker, path, auth, () => bodyOf(request));
    if (reply.stream === undefined) send(request, response, reply);
    else stream(desk, request, response, reply);
  } catch (error) {
    // Not thrown into the user's server, which would end the process.
    process.emitWarning(`The console could not answer ${path}: ${error instanceof Error ? error.message : String(error)}`, 'PoolWarning');
    if (!response.headersSent) response.writeHead(500, { 'Content-Type': 'text/plain' });
    response.end('The console could not answer; the process has a warning that says why.\n');
  }
}

/** What is asked for; undefined: nobody can tell, as of `//`. */
function targetOf(request: IncomingMessage): { readonly path: string; readonly query: URLSearchParams } | undefined {
  const { url = '/' } = request;
  // A framework takes off the front what it has mounted the console under; a redirect has to know of it.
  const { originalUrl = url } = request as { readonly originalUrl?: string };
  try {
    return { path: new URL(originalUrl, ANYWHERE).pathname, query: new URL(url, ANYWHERE).searchParams };
  } catch {
    return undefined;
  }
}

/** '' of a Unix socket. A connection that has ended meanwhile has no address either, and must not be taken for one. */
function addressOf({ remoteAddress, localAddress, destroyed }: Socket): string | undefined {
  if (remoteAddress !== undefined) return remoteAddress;
  return destroyed || localAddress !== undefined ? undefined : '';
}

function send({ method }: IncomingMessage, response: ServerResponse, { status, headers, body }: Reply): void {
  response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) });
  response.end(method === 'HEAD' ? undefined : body);
}

function stream(desk: Desk, request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  // Gone while somebody decided whether it may look: nothing will tell any more that it has gone.
  if (response.destroyed) return;
  const { server } = request.socket as Socket & { readonly server?: { readonly listening: boolean } | null };
  const outlet: Outlet = {
    send: (text) => {
      // A server that is being closed waits for its connections, and this one would last for ever.
      if (server?.listening === false) return false;
      response.write(text);
      return response.writableLength <= MOST_BUFFERED;
    },
    end: () => void response.destroy(),
  };
  response.on('close', () => desk.viewers.remove(outlet)).on('error', () => undefined);
  const old = request.httpVersionMajor < 2;
  response.writeHead(200, { ...reply.headers, ...(old ? { Connection: 'keep-alive' } : {}) });
  if (old) request.socket.setNoDelay(true);
  if (!desk.viewers.add(outlet, reply.stream!)) response.end('event: full\ndata: "too many viewers"\n\n');
}

/** What an action says; a framework may have read it already. */
async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const { body } = request as { readonly body?: unknown };
  if (typeof body === 'object' && body !== null) return body;
  return readAction(request);
}
