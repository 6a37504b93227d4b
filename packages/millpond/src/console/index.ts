/// <reference lib="esnext.disposable" preserve="true" />
// millpond/console: a page that shows every pool of this process, live, and lets one intervene if that is switched on. Mounted in one
// line in whatever serves HTTP, or on a port of its own.

import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Pool } from '../pool.ts';
import type { Auth } from './access.ts';
import { Desk } from './desk.ts';
import { answerNode } from './node.ts';
import { answerWeb } from './web.ts';

export type { Asker, Auth } from './access.ts';
export type { Action } from './actions.ts';
export type { ConsoleEvent, EventKind } from './events.ts';
export type { AtSize, LongHold, Peak, Point } from './recorder.ts';
export type { Distribution, HolderView, PoolDetail, PoolView, Quantiles, Snapshot } from './view.ts';
export type { LaneQueue } from '../sight/queue.ts';
export { shareWithConsole } from './workers.ts';

export interface ConsoleOptions {
  /**
   * Who may look: a token, given as `?token=` or as a bearer token, or a function that is asked for each request. Default: whoever is on
   * this machine and comes without a proxy, asking for localhost. {@link Console.fetch} does not know where a request comes from, so it
   * needs one.
   */
  readonly auth?: Auth;
  /** Whether the console may change anything: resize, pause, resume, evict, end leases, keep stacks. Default: false. */
  readonly actions?: boolean;
  /** Which pools are shown. Default: all of this process, and those of workers that call {@link shareWithConsole}. */
  readonly pools?: (pool: Pool<unknown>) => boolean;
}

export interface ListenOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** Default: 127.0.0.1. */
  readonly host?: string;
}

export interface Listening {
  /** Where to look, with the token. */
  readonly url: string;
  close(): Promise<void>;
}

export interface Console {
  /**
   * For `node:http`, Express, Connect and their likes, under any path: `app.use('/pools', console.handler)`. Every request that it is
   * given is for the console.
   */
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void;
  /** The same for whatever speaks `Request` and `Response`, as Hono does. Needs `auth`. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** On a port of its own. Without `auth` a token is made up; the address has it. Rejects with what `listen` of `node:http` says. */
  listen(options?: ListenOptions): Promise<Listening>;
  /** Sends all viewers away and stops recording. */
  close(): void;
}

/** A console for the pools of this process. It records from now on. Throws a TypeError for options that are wrong. */
export function createConsole(options: ConsoleOptions = {}): Console {
  check(options);
  const desk = new Desk(options.pools, options.actions ?? false);
  const { auth } = options;
  const servers = new Set<() => Promise<void>>();
  return {
    handler: (request, response) => void answerNode(desk, auth, request, response),
    fetch: (request) => answerWeb(desk, auth, request),
    listen: async ({ port = 0, host = '127.0.0.1' } = {}) => {
      const token = auth ?? randomBytes(18).toString('base64url');
      const server = createServer((request, response) => void answerNode(desk, token, request, response));
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject).listen(port, host, resolve);
      });
      const { port: bound } = server.address() as AddressInfo;
      const close = async (): Promise<void> => {
        servers.delete(close);
        const closed = new Promise<void>((resolve) => { server.close(() => resolve()); });
        server.closeAllConnections();
        await closed;
      };
      servers.add(close);
      const name = host.includes(':') ? `[${host}]` : host;
      return { url: `http://${name}:${bound}/${typeof token === 'string' ? `?token=${encodeURIComponent(token)}` : ''}`, close };
    },
    close: () => {
      desk.close();
      for (const close of servers) void close();
    },
  };
}

function check(options: ConsoleOptions): void {
  const { auth, actions, pools } = options;
  const unknown = Object.keys(options).filter((key) => !['auth', 'actions', 'pools'].includes(key));
  if (unknown.length > 0) throw new TypeError(`createConsole knows no option ${unknown[0]}; there are auth, actions, pools`);
  if (auth !== undefined && typeof auth !== 'function' && (typeof auth !== 'string' || auth.length < 8)) {
    throw new TypeError('auth of createConsole must be a token of at least 8 characters, or a function');
  }
  if (actions !== undefined && typeof actions !== 'boolean') throw new TypeError('actions of createConsole must be true or false');
  if (pools !== undefined && typeof pools !== 'function') throw new TypeError('pools of createConsole must be a function');
}
