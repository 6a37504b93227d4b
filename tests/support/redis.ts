// Redis for tests: private servers, each driver that the adapter knows, and a look at the server from outside of the pool.

import { redisVersion, startRedis, type RedisServer, type RedisServerOptions } from '@millpond/lab/redis';
import * as redis6 from '@redis/client';
import { Redis } from 'ioredis';
import type { RedisClient } from 'millpond/redis';
import { connect, type Socket } from 'node:net';
import * as redis5 from 'redis-5';
import { afterAll, beforeAll, describe } from 'vitest';

export { startRedis, type RedisServer } from '@millpond/lab/redis';
export { until } from './postgres.ts';

export interface ClientOptions {
  readonly port: number;
  readonly name?: string;
  readonly username?: string;
  readonly password?: string;
  readonly database?: number;
}

/** What tests do with a client of either driver. */
export interface Driver {
  readonly name: string;
  client(options: ClientOptions): RedisClient;
  /** A command in words. */
  call(client: RedisClient, ...words: string[]): Promise<unknown>;
  /** MULTI, the commands, EXEC. */
  transaction(client: RedisClient, commands: readonly (readonly string[])[]): Promise<unknown>;
  subscribe(client: RedisClient, channel: string, listener: (message: string) => void): Promise<unknown>;
  unsubscribe(client: RedisClient, channel: string): Promise<unknown>;
}

function nodeRedis(name: string, { createClient }: Pick<typeof redis6, 'createClient'>, RESP: 2 | 3): Driver {
  type Client = ReturnType<typeof redis6.createClient>;
  const own = (client: RedisClient): Client => client as Client;
  return {
    name,
    client: ({ port, name: clientName, database, username, password }) => createClient({
      socket: { host: '127.0.0.1', port }, RESP,
      ...(clientName === undefined ? {} : { name: clientName }), ...(database === undefined ? {} : { database }),
      ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }),
    }),
    call: (client, ...words) => own(client).sendCommand(words),
    transaction(client, commands) {
      const multi = own(client).multi();
      for (const words of commands) multi.addCommand([...words]);
      return multi.exec();
    },
    subscribe: (client, channel, listener) => own(client).subscribe(channel, listener),
    unsubscribe: (client, channel) => own(client).unsubscribe(channel),
  };
}

const ioredis: Driver = {
  name: 'ioredis 5',
  client: ({ port, name, database, username, password }) => new Redis({
    port, host: '127.0.0.1', lazyConnect: true,
    ...(name === undefined ? {} : { connectionName: name }), ...(database === undefined ? {} : { db: database }),
    ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }),
  }),
  call: (client, name = '', ...args) => (client as Redis).call(name, ...args),
  async transaction(client, commands) {
    const multi = (client as Redis).multi();
    for (const [name = '', ...args] of commands) multi.call(name, ...args);
    const results = await multi.exec();
    return results === null ? null : results.map(([error, result]) => error ?? result);
  },
  async subscribe(client, channel, listener) {
    (client as Redis).on('message', (_, message) => listener(message));
    await (client as Redis).subscribe(channel);
  },
  unsubscribe: (client, channel) => (client as Redis).unsubscribe(channel),
};

export const DRIVERS: readonly Driver[] = [
  nodeRedis('node-redis 6', redis6, 3),
  nodeRedis('node-redis 5', redis5 as unknown as typeof redis6, 2),
  ioredis,
];

/** A connection to the server, apart from any pool and any driver. Speaks RESP2, in words. */
export class Observer implements AsyncDisposable {
  readonly #port: number;
  #socket: Socket | undefined;
  #text = '';
  #waiting: (() => void) | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  /** The reply: a text, a number, null, or a list of these. Rejects with what the server says is wrong. */
  async ask(...words: string[]): Promise<unknown> {
    this.#socket ??= this.#connect();
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    this.#socket.write(`*${words.length}\r\n${parts.join('')}`);
    return this.#read();
  }

  /** The connections whose name is this, by CLIENT LIST. */
  async clients(name: string): Promise<string[]> {
    const list = String(await this.ask('CLIENT', 'LIST'));
    return list.split('\n').filter((line) => line.includes(` name=${name} `));
  }

  async count(name: string): Promise<number> {
    return (await this.clients(name)).length;
  }

  /** How often the command has run, by INFO commandstats. */
  async calls(command: string): Promise<number> {
    const info = String(await this.ask('INFO', 'commandstats'));
    return Number(new RegExp(`cmdstat_${command.replace('|', '\\|')}:calls=(\\d+)`).exec(info)?.[1] ?? 0);
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#text = '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #connect(): Socket {
    const socket = connect(this.#port, '127.0.0.1');
    socket.setEncoding('latin1');
    socket.on('error', () => undefined); // the next question finds out
    socket.on('data', (text) => {
      this.#text += text.toString();
      this.#waiting?.();
    });
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = undefined;
      this.#waiting?.();
    });
    return socket;
  }

  async #take(length?: number): Promise<string> {
    for (;;) {
      const end = length ?? this.#text.indexOf('\r\n');
      if (end >= 0 && this.#text.length >= end + 2) {
        const taken = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return taken;
      }
      if (this.#socket === undefined) throw new Error('the server has closed the connection');
      await new Promise<void>((resolve) => { this.#waiting = resolve; });
    }
  }

  async #read(): Promise<unknown> {
    const line = await this.#take();
    const rest = line.slice(1);
    switch (line[0]) {
      case '+': return rest;
      case '-': throw new Error(rest);
      case ':': return Number(rest);
      case '$': return rest === '-1' ? null : this.#take(Number(rest));
      case '*': {
        const all: unknown[] = [];
        for (let i = 0; i < Number(rest); i++) all.push(await this.#read());
        return all;
      }
      default: throw new Error(`not RESP: ${line}`);
    }
  }
}

export interface Stage {
  readonly server: RedisServer;
  readonly observer: Observer;
}

/** Runs a group of tests on a server of their own. Without Redis they are left out, loudly; in CI it must be there. */
export function onRedis(name: string, define: (stage: Stage) => void, options: RedisServerOptions = {}): void {
  const missing = redisVersion() === undefined;
  if (missing) {
    const message = `redis-server is not on this machine: "${name}" is left out.`;
    if (process.env['CI'] === 'true') throw new Error(`${message} In CI it must be there.`);
    process.stderr.write(`\n!!! ${message}\n\n`);
  }
  describe.skipIf(missing)(`Redis: ${name}`, () => {
    let server: RedisServer | undefined;
    let observer: Observer | undefined;
    beforeAll(async () => {
      server = await startRedis(options);
      observer = new Observer(server.port);
    });
    afterAll(async () => {
      observer?.close();
      await server?.stop();
    });
    define({
      get server() {
        if (server === undefined) throw new Error('the server is not up yet');
        return server;
      },
      get observer() {
        if (observer === undefined) throw new Error('the server is not up yet');
        return observer;
      },
    });
  });
}

/** The same with each driver. */
export function onRedisWithEach(name: string, define: (stage: Stage, driver: Driver) => void, options: RedisServerOptions = {}): void {
  onRedis(name, (stage) => {
    for (const driver of DRIVERS) describe(driver.name, () => define(stage, driver));
  }, options);
}
