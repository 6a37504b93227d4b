// Servers of node:http for the tests of agents, which note what they are asked and over how many connections, and a plain client.

import http, { type ClientRequest, type IncomingMessage, type RequestListener, type RequestOptions } from 'node:http';
import https from 'node:https';
import { Socket, type AddressInfo } from 'node:net';
import type { Certificate } from '@millpond/lab/certificate';
import { hasHaproxy } from '@millpond/lab/haproxy';
import { hasNginx } from '@millpond/lab/nginx';
import { HttpAgent, type HttpAgentOptions } from 'millpond/http';
import { describe, onTestFinished } from 'vitest';

export interface Stage {
  readonly port: number;
  readonly origin: string;
  readonly server: http.Server;
  /** Every connection there ever was. */
  readonly sockets: Socket[];
  /** Requests as they came in: method and path. */
  readonly seen: string[];
  /** Connections that are open now. */
  readonly open: number;
  /** The most that were open at once. */
  readonly mostOpen: number;
}

export interface StageOptions {
  readonly tls?: Certificate;
  /** How long the server keeps an idle connection, in milliseconds. Default: a minute. It says so in whole seconds. */
  readonly keepAliveMs?: number;
  readonly port?: number;
}

/** Ends with the test. */
export async function serve(listener: RequestListener, options: StageOptions = {}): Promise<Stage> {
  const sockets: Socket[] = [];
  const seen: string[] = [];
  let open = 0;
  let mostOpen = 0;
  const noting: RequestListener = (request, response) => {
    seen.push(`${request.method} ${request.url}`);
    listener(request, response);
  };
  const server = options.tls === undefined ? http.createServer(noting) : https.createServer(options.tls, noting);
  server.keepAliveTimeout = options.keepAliveMs ?? 60_000;
  server.on(options.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    sockets.push(socket);
    mostOpen = Math.max(mostOpen, ++open);
    socket.on('error', () => undefined);
    socket.on('close', () => { open--; });
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  return {
    port, server, sockets, seen,
    origin: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    get open() { return open; },
    get mostOpen() { return mostOpen; },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  /** Whether it came over a connection that had carried others before. */
  readonly reused: boolean;
}

/** An agent that ends with the test. */
export function agentOf(options?: HttpAgentOptions): HttpAgent {
  const agent = new HttpAgent(options);
  onTestFinished(async () => { await agent.close({ deadlineMs: 0 }); });
  return agent;
}

/** One request, and its whole answer. */
export function ask(agent: http.Agent, url: string, options: RequestOptions & { readonly body?: string } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { body, ...rest } = options;
    const { request } = url.startsWith('https:') ? https : http;
    const req = request(url, { agent, ...rest });
    req.on('response', (response) => {
      read(response).then((text) => resolve({
        status: response.statusCode ?? 0, headers: response.headers, body: text, reused: req.reusedSocket,
      }), reject);
    });
    req.on('error', reject);
    req.end(body);
  });
}

export function read(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; });
    response.on('end', () => resolve(text)).on('error', reject);
  });
}

/** What a request fails with, and that it is told only once and followed by its close. */
export function failure(request: ClientRequest): Promise<NodeJS.ErrnoException> {
  return new Promise((resolve, reject) => {
    const errors: NodeJS.ErrnoException[] = [];
    request.on('error', (error) => errors.push(error));
    request.on('response', () => reject(new Error('there was an answer')));
    request.on('close', () => {
      if (errors.length === 1) resolve(errors[0]!);
      else reject(new Error(`${errors.length} errors`));
    });
  });
}

/** A connection that never gets anywhere. */
export class Hanging extends Socket {
  override connecting = true;
}

/** A gate that requests are held at. */
export class Gate {
  private waiting: (() => void)[] = [];
  private isOpen = false;

  pass(then: () => void): void {
    if (this.isOpen) then();
    else this.waiting.push(then);
  }

  get held(): number {
    return this.waiting.length;
  }

  /** Lets the first one through. */
  next(): void {
    this.waiting.shift()?.();
  }

  open(): void {
    this.isOpen = true;
    for (const then of this.waiting.splice(0)) then();
  }
}

/** Tests on a program that the machine may not have; in CI it must. */
export function withProgram(name: 'nginx' | 'HAProxy', define: () => void): void {
  const isThere = name === 'nginx' ? hasNginx() : hasHaproxy();
  if (isThere) {
    describe(name, define);
    return;
  }
  const message = `${name} is not on this machine: its tests are left out.`;
  if (process.env['CI'] === 'true') throw new Error(`${message} In CI it must be there.`);
  process.stderr.write(`\n!!! ${message}\n\n`);
  describe.skipIf(true)(message, define);
}
