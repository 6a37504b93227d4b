// A server that answers each line with one line, over TCP, TLS or a Unix socket, and that misbehaves on demand.
//
//   PING          PONG              ID     the number of this connection, by which the test finds it
//   LATE <ms> x   x, after a while  BYE    no answer: the server closes          anything else   the same line

import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createSecureServer, type TlsOptions } from 'node:tls';

export interface LineServerOptions {
  readonly tls?: TlsOptions;
  /** Of a Unix socket. Default: a free port of 127.0.0.1. */
  readonly path?: string;
  /** Said to whoever connects. */
  readonly greeting?: string;
  /** Called for each connection before anything else. False: it is closed at once. */
  readonly admit?: () => boolean;
}

export class LineServer implements AsyncDisposable {
  /** Those that are open, by number. */
  readonly connections = new Map<number, Socket>();
  /** Everything that was said to it, in the order in which it came. */
  heard = '';
  accepted = 0;
  /** With TLS: the name that each client asked for. */
  readonly names: string[] = [];
  readonly #options: LineServerOptions;
  #server: Server | undefined;
  port = 0;

  private constructor(options: LineServerOptions) {
    this.#options = options;
  }

  static async start(options: LineServerOptions = {}): Promise<LineServer> {
    const server = new LineServer(options);
    await server.listen();
    return server;
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: '127.0.0.1', port: this.port };
  }

  async listen(): Promise<void> {
    const { tls, path } = this.#options;
    const accept = (socket: Socket): void => this.#accept(socket);
    this.#server = tls === undefined ? createServer(accept) : createSecureServer(tls, accept);
    this.#server.on('tlsClientError', () => {});
    this.#server.listen(path === undefined ? { port: this.port, host: '127.0.0.1' } : { path });
    await once(this.#server, 'listening');
    if (path === undefined) this.port = (this.#server.address() as AddressInfo).port;
  }

  /** No new connections; those that are there stay. */
  refuse(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  /** As a crash would: every connection is reset. */
  async crash(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = server === undefined ? undefined : new Promise((resolve) => server.close(resolve));
    for (const socket of this.connections.values()) abort(socket);
    await closed;
  }

  /** Which of its connections this is. */
  async idOf(socket: Socket): Promise<number> {
    return Number(await ask(socket, 'ID'));
  }

  /** Ends one without a goodbye. */
  async kill(socket: Socket): Promise<void> {
    abort(this.connections.get(await this.idOf(socket))!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crash();
  }

  #accept(socket: Socket): void {
    const id = ++this.accepted;
    socket.on('error', () => {});
    if (this.#options.admit?.() === false) {
      socket.destroy();
      return;
    }
    const { servername } = socket as { servername?: string | false };
    if (typeof servername === 'string') this.names.push(servername);
    this.connections.set(id, socket);
    socket.on('close', () => this.connections.delete(id));
    if (this.#options.greeting !== undefined) socket.write(`${this.#options.greeting}\n`);
    let rest = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      this.heard += text;
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const line of lines) this.#answer(socket, id, line);
    });
  }

  #answer(socket: Socket, id: number, line: string): void {
    const [, ms, late] = /^LATE (\d+) (.*)$/.exec(line) ?? [];
    if (late !== undefined) setTimeout(() => socket.destroyed || socket.write(`${late}\n`), Number(ms));
    else if (line === 'BYE') socket.end();
    else socket.write(line === 'PING' ? 'PONG\n' : line === 'ID' ? `${id}\n` : `${line}\n`);
  }
}

function abort(socket: Socket): void {
  // Only a plain TCP socket knows how to reset.
  if (socket.remotePort === undefined || 'encrypted' in socket) socket.destroy();
  else socket.resetAndDestroy();
}

/** Sends a line and resolves with the answer. Whoever gives up on it must not give the socket back. */
export function ask(socket: Socket, line: string): Promise<string> {
  socket.write(`${line}\n`);
  return readLine(socket);
}

/** Resolves with the next line; rejects when there will be none. */
export function readLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const leave = (): void => {
      socket.off('data', onData).off('error', onEnd).off('close', onEnd);
    };
    const onEnd = (): void => {
      leave();
      reject(socket.errored ?? new Error('no answer'));
    };
    const onData = (chunk: Buffer): void => {
      text += String(chunk);
      if (!text.endsWith('\n')) return;
      leave();
      resolve(text.slice(0, -1));
    };
    socket.on('data', onData).on('error', onEnd).on('close', onEnd);
  });
}
