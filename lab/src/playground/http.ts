// The page's server: files, a stream of ticks, and two ways to change something. For this machine only: it listens on the loopback, and
// answers no page of another origin, which could otherwise move the controls behind its reader's back.
import { createReadStream } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';
import { PATIENCE_MS } from './load/ways.ts';
import { ACTS, type Act, type Hello, type Tick } from './page/wire.ts';
import type { Playground } from './playground.ts';
import { LIMITS, WrongSetting } from './settings.ts';

/** The same seen from the sources and from what is compiled of them. */
const FILES = new URL('../../src/playground/page/', import.meta.url);
const SCRIPTS = new URL('../../dist/playground/page/', import.meta.url);
const SERVED: Readonly<Record<string, readonly [folder: URL, type: string]>> = {
  'index.html': [FILES, 'text/html; charset=utf-8'],
  'style.css': [FILES, 'text/css; charset=utf-8'],
  'main.js': [SCRIPTS, 'text/javascript; charset=utf-8'],
  'charts.js': [SCRIPTS, 'text/javascript; charset=utf-8'],
  'draw.js': [SCRIPTS, 'text/javascript; charset=utf-8'],
  'controls.js': [SCRIPTS, 'text/javascript; charset=utf-8'],
  'tour.js': [SCRIPTS, 'text/javascript; charset=utf-8'],
  'wire.js': [SCRIPTS, 'text/javascript; charset=utf-8'],
};
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
};
const MOST_BODY = 10_000;
/** Of ticks that a page has not read yet: a tab that sleeps must not fill our memory. */
const MOST_BEHIND = 1_000_000;

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface PageOptions {
  /** 0: a free one. */
  readonly port: number;
  /** Serves everything below `/console`. */
  readonly console?: Handler;
}

export interface Page {
  readonly url: string;
  /** How many look at it now. */
  readonly watched: () => number;
  close(): Promise<void>;
}

/** Rejects with the system's error when the port is taken. */
export async function servePage(playground: Playground, { port, console }: PageOptions): Promise<Page> {
  const streams = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (!response.headersSent) reply(response, 500, { error: String(error) });
      else response.destroy();
    });
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    if (!isOurs(request)) return reply(response, 403, { error: 'This page is for the machine that it runs on.' });
    if (console !== undefined && /^\/console(\/|$)/.test(path)) return console(request, response);
    if (request.method === 'POST') return post(playground, path, request, response);
    if (request.method !== 'GET') return reply(response, 405, { error: 'GET or POST.' });
    if (path === '/state') return reply(response, 200, helloOf(playground, console !== undefined));
    if (path === '/events') return stream(response);
    return file(path === '/' ? 'index.html' : path.slice(1), response);
  };
  const stream = (response: ServerResponse): void => {
    response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream' });
    response.write(eventOf('hello', helloOf(playground, console !== undefined)));
    streams.add(response);
    response.once('close', () => streams.delete(response));
  };
  const onTick = (tick: Tick): void => {
    if (streams.size === 0) return;
    const event = eventOf('tick', tick);
    for (const response of streams) if (response.writableLength < MOST_BEHIND) response.write(event);
  };
  playground.on('tick', onTick);
  await listen(server, port);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    watched: () => streams.size,
    close: () => {
      playground.off('tick', onTick);
      const closed = new Promise<void>((resolve) => { server.close(() => resolve()); });
      server.closeAllConnections();
      return closed;
    },
  };
}

/** Whoever asks under another name than the loopback's came here by a name that somebody made up for us. */
function isOurs({ headers, method }: IncomingMessage): boolean {
  const { host = '', origin } = headers;
  if (!/^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(host)) return false;
  return method === 'GET' || origin === undefined || origin === `http://${host}`;
}

async function post(playground: Playground, path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const act = path.startsWith('/acts/') ? path.slice('/acts/'.length) : undefined;
  if (act !== undefined) {
    if (!ACTS.includes(act as Act)) return reply(response, 404, { error: `There is no act "${act}".` });
    playground.do(act as Act);
    return reply(response, 202, {});
  }
  if (path !== '/settings') return reply(response, 404, { error: 'There is nothing here.' });
  // Only a page of our own may send this type without asking first.
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) return reply(response, 415, { error: 'application/json.' });
  try {
    playground.set(JSON.parse(await bodyOf(request)));
    reply(response, 200, playground.settings);
  } catch (error) {
    if (!(error instanceof WrongSetting || error instanceof SyntaxError)) throw error;
    reply(response, 400, { error: error.message });
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) {
    body += chunk as string;
    if (body.length > MOST_BODY) throw new WrongSetting('That is too long.');
  }
  return body;
}

function file(name: string, response: ServerResponse): void {
  const [folder, type] = Object.hasOwn(SERVED, name) ? SERVED[name]! : [];
  if (folder === undefined) return reply(response, 404, { error: 'There is nothing here.' });
  const content = createReadStream(new URL(basename(name), folder));
  content.once('open', () => {
    response.writeHead(200, { ...HEADERS, 'content-type': type });
    content.pipe(response);
  });
  content.once('error', () => reply(response, 404, { error: `${name} is not there: has it been compiled?` }));
}

function helloOf(playground: Playground, hasConsole: boolean): Hello {
  return {
    ...playground.look(), history: playground.history, limits: LIMITS, cores: playground.cores, patienceMs: PATIENCE_MS,
    console: hasConsole ? '/console/' : null,
  };
}

function eventOf(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { ...HEADERS, 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}
