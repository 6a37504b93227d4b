// A client that is connected, logged in or not yet.

import type { Socket } from 'node:net';
import { nextId } from '../ids.ts';
import type { Database } from '../routing/router.ts';
import type { ServerPool } from '../server/pool.ts';
import type { ClientSession } from './session.ts';

export interface ClientInit {
  readonly socket: Socket;
  /** What it sends to cancel: its process and its secret. */
  readonly key: Buffer;
  /** `unix` over a Unix socket. */
  readonly address: string;
  readonly port: number;
}

/** Somebody who is in the console. */
export interface Visit {
  /** Ends the command that it waits for. */
  cancel(): void;
}

export class Client {
  readonly id: number = nextId();
  readonly socket: Socket;
  readonly key: Buffer;
  readonly address: string;
  readonly port: number;
  readonly connectedAt: number = performance.now();
  /** What is said over it: with TLS not the same as the socket. */
  stream: Socket;
  database: Database | undefined = undefined;
  user = '';
  pool: ServerPool | undefined = undefined;
  session: ClientSession | undefined = undefined;
  tls = false;
  replication: 'none' | 'logical' | 'physical' = 'none';
  console: Visit | undefined = undefined;

  constructor({ socket, key, address, port }: ClientInit) {
    this.socket = socket;
    this.stream = socket;
    this.key = key;
    this.address = address;
    this.port = port;
  }

  /** As the log calls it. */
  get name(): string {
    const { id, database, user, address, port } = this;
    return `C-${id.toString(16)}: ${database?.config.name ?? '(nodb)'}/${user === '' ? '(nouser)' : user}@${address}:${port}`;
  }

  /** In whole seconds. */
  get age(): number {
    return Math.round((performance.now() - this.connectedAt) / 1000);
  }
}
