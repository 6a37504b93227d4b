// A TCP proxy that can be stopped in every way a network can: it can go silent while its connections stay open (half-open TCP), cut them,
// refuse new ones, and it notes what passes.

import { createServer, connect, type Server, type Socket } from 'node:net';

/** One connection through the proxy. */
export interface Passage {
  readonly id: number;
  /** What the client wrote, one entry per segment that arrived. */
  readonly fromClient: Buffer[];
  readonly fromServer: Buffer[];
  /** `connecting` until the server's first ReadyForQuery; `cancel` for one that carries a CancelRequest. */
  phase: 'connecting' | 'ready' | 'cancel' | 'closed';
  readonly client: Socket;
  readonly server: Socket;
}

export interface ProxyOptions {
  readonly host?: string;
  readonly port: number;
  /** Milliseconds by which what the server says is held back. */
  readonly delayMs?: number;
  /** Keep what passes. Default true. */
  readonly record?: boolean;
  /** Whether this piece of what the server says ends the start of a connection. Default: PostgreSQL's way, a ReadyForQuery. */
  readonly endsStart?: (chunk: Buffer) => boolean;
}

/** ReadyForQuery, idle: the last message of a successful start. */
const isReadyForQuery = (chunk: Buffer): boolean => chunk.subarray(-6).toString('latin1') === 'Z\0\0\0\x05I';

/** MySQL's way: an OK as the second packet of the server, which is the third of the conversation. */
export const isHandshakeOk = (chunk: Buffer): boolean => chunk[3] === 2 && chunk[4] === 0;

const CANCEL_REQUEST = 80_877_102;

export class TcpProxy implements AsyncDisposable {
  readonly passages: Passage[] = [];
  /** The most connections that were on their way to their first ReadyForQuery at once. */
  maxConnecting = 0;
  /** The most connections that were open at once. */
  maxOpen = 0;
  /** Called with each passage that begins: may keep it from being connected by returning false. */
  admit: (passage: Passage) => boolean = () => true;
  /** Called with each passage that begins: milliseconds by which what its client writes is held back. */
  holdBack: (passage: Passage) => number | false = () => false;
  readonly #server: Server;
  readonly #options: ProxyOptions;
  /** What the server says from now on is lost on the way. */
  deaf = false;
  #silent = false;
  #port = 0;

  private constructor(options: ProxyOptions) {
    this.#options = options;
    this.#server = createServer({ pauseOnConnect: true }, (client) => this.#accept(client));
  }

  static async start(options: ProxyOptions): Promise<TcpProxy> {
    const proxy = new TcpProxy(options);
    await proxy.listen();
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  get open(): Passage[] {
    return this.passages.filter((each) => each.phase !== 'closed');
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#port, '127.0.0.1', () => {
        const address = this.#server.address();
        if (address !== null && typeof address === 'object') this.#port = address.port;
        resolve();
      });
    });
  }

  /** From now on not a byte passes in either direction, and nobody is told. New connections are accepted and hang. */
  silence(): void {
    this.#silent = true;
    for (const { client, server } of this.open) {
      client.pause();
      server.pause();
    }
  }

  /** What was held back passes, and all that follows: on all connections, or on those that are chosen and on new ones. */
  resume(which: (passage: Passage) => boolean = () => true): void {
    this.#silent = false;
    for (const passage of this.open) {
      if (!which(passage)) continue;
      passage.client.resume();
      passage.server.resume();
    }
  }

  /** Ends all connections with a reset. */
  cut(): void {
    for (const { client, server } of this.open) {
      client.resetAndDestroy();
      server.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket): void {
    const server = connect({ host: this.#options.host ?? '127.0.0.1', port: this.#options.port });
    const passage: Passage = { id: this.passages.length, fromClient: [], fromServer: [], phase: 'connecting', client, server };
    this.passages.push(passage);
    client.setNoDelay(true);
    server.setNoDelay(true);
    const close = (): void => {
      passage.phase = 'closed';
    };
    client.on('error', () => server.destroy());
    server.on('error', () => client.destroy());
    client.on('close', () => {
      close();
      server.end();
    });
    server.on('close', () => {
      close();
      client.end();
    });
    if (!this.admit(passage)) {
      client.destroy();
      server.destroy();
      return;
    }
    this.#count();
    const heldBackMs = this.holdBack(passage);
    client.on('data', (chunk) => {
      if (heldBackMs === false) this.#fromClient(passage, chunk);
      else setTimeout(() => this.#fromClient(passage, chunk), heldBackMs);
    });
    server.on('data', (chunk) => this.#fromServer(passage, chunk));
    client.on('end', () => server.end());
    server.on('end', () => client.end());
    if (!this.#silent) {
      client.resume();
    } else {
      server.pause();
    }
  }

  #fromClient(passage: Passage, chunk: Buffer): void {
    if (passage.phase === 'connecting' && chunk.length === 16 && chunk.readUInt32BE(4) === CANCEL_REQUEST) passage.phase = 'cancel';
    if (this.#options.record !== false) passage.fromClient.push(chunk);
    passage.server.write(chunk);
  }

  #fromServer(passage: Passage, chunk: Buffer): void {
    if (passage.phase === 'connecting' && (this.#options.endsStart ?? isReadyForQuery)(chunk)) passage.phase = 'ready';
    if (this.deaf) return;
    if (this.#options.record !== false) passage.fromServer.push(chunk);
    const { delayMs } = this.#options;
    if (delayMs === undefined) passage.client.write(chunk);
    else setTimeout(() => passage.client.destroyed || passage.client.write(chunk), delayMs);
  }

  #count(): void {
    const open = this.open;
    this.maxOpen = Math.max(this.maxOpen, open.length);
    this.maxConnecting = Math.max(this.maxConnecting, open.filter((each) => each.phase === 'connecting').length);
  }
}
