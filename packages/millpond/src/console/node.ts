// The console behind `node:http` and everything that hands on its requests.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Asker, Auth } from './access.ts';
import { ActionError } from './actions.ts';
import type { Desk, Reply } from './desk.ts';
import type { Outlet } from './viewers.ts';

/** A viewer who has not taken this much is sent away. */
const MOST_BUFFERED = 1_048_576;
const LONGEST_BODY = 16_384;

export async function answerNode(desk: Desk, auth: Auth | undefined, request: IncomingMessage, response: ServerResponse): Promise<void> {
  // What a framework took off the front is of no interest: only the end of the path counts.
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://console');
  const whole = (request as { readonly originalUrl?: string }).originalUrl;
  const path = whole === undefined ? pathname : new URL(whole, 'http://console').pathname;
  const asker: Asker = {
    method: request.method ?? 'GET', remoteAddress: request.socket.remoteAddress ?? '', query: searchParams,
    header: (name) => {
      const value = request.headers[name];
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

function send({ method }: IncomingMessage, response: ServerResponse, { status, headers, body }: Reply): void {
  response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) });
  response.end(method === 'HEAD' ? undefined : body);
}

function stream(desk: Desk, request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  const outlet: Outlet = {
    send: (text) => {
      response.write(text);
      return response.writableLength <= MOST_BUFFERED;
    },
    end: () => void response.destroy(),
  };
  response.on('close', () => desk.viewers.remove(outlet)).on('error', () => undefined);
  response.writeHead(200, { ...reply.headers, Connection: 'keep-alive' });
  request.socket.setNoDelay(true);
  if (!desk.viewers.add(outlet, reply.stream!)) response.end('event: full\ndata: "too many viewers"\n\n');
}

/** What an action says; a framework may have read it already. */
async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const { body } = request as { readonly body?: unknown };
  if (typeof body === 'object' && body !== null) return body;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LONGEST_BODY) throw new ActionError(`an action has at most ${LONGEST_BODY} bytes`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString()) as unknown;
}
