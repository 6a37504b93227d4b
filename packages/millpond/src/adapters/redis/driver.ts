// What this adapter knows of the inside of node-redis (`redis`, `@redis/client`, 5.12 or newer) and of ioredis (5), described by structure.
// Everything that is not in their documentation is named here and nowhere else: a new version is checked against this file. Neither is ever
// loaded from here; callers hand in clients that they made.

import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Session, SessionOwner } from './session.ts';
import type { Scope, Shared } from './shared.ts';
import type { RedisClient } from './types.ts';

/** One of the two, as the rest of this adapter sees it. */
export interface Driver {
  /** Why this client cannot be pooled; undefined: it can. Asked once, of the first one. */
  objection(client: RedisClient): string | undefined;
  session(client: RedisClient, owner: SessionOwner): Session;
  /** Turns a client that is never connected into one whose commands go to shared connections. */
  share(client: RedisClient, shared: Shared): void;
  /** A view of such a client whose commands belong to a scope. */
  within(client: RedisClient, scope: Scope): RedisClient;
  /** Sends a command in words: over a client of the pool, or one that is shared. */
  call(client: RedisClient, words: readonly string[]): Promise<unknown>;
  /** The shared client is not needed any more. */
  dismiss(client: RedisClient): void;
}

// ------------------------------------------------------------------------------------------------------------------------ node-redis

/** Options of one command, merged with the client's. Symbols survive the merge. */
export interface NodeCommandOptions {
  readonly abortSignal?: AbortSignal;
  /** How long it may wait to be written. From 6 on there is a default, which costs more than the command. */
  timeout?: number | undefined;
  readonly typeMapping?: unknown;
  readonly [key: symbol]: unknown;
}

export interface NodeQueued {
  readonly args: readonly unknown[];
}

/** A command in the queue. Those of a MULTI or of a pipeline have their chain in common. */
export interface NodeUnsent extends NodeQueued {
  readonly chainId: symbol | undefined;
  readonly typeMapping: unknown;
  resolve(reply: unknown): void;
  reject(error: unknown): void;
}

/** The commands of one client, on their way to be written and to be answered. Everything that is sent goes through here. */
export interface NodeQueue {
  addCommand(args: readonly unknown[], options?: NodeCommandOptions): Promise<unknown>;
  /** Those that are not answered, written or not. */
  readonly pendingCount: number;
  /** Rejects all. */
  flushAll(error: unknown): void;
  /** Takes out what is not written yet. */
  extractAllCommands(): NodeUnsent[];
  subscribe(...args: unknown[]): Promise<unknown> | undefined;
  unsubscribe(...args: unknown[]): Promise<unknown> | undefined;
  extendPubSubChannelListeners(...args: unknown[]): Promise<unknown> | undefined;
  extendPubSubListeners(...args: unknown[]): Promise<unknown> | undefined;
  monitor(...args: unknown[]): Promise<unknown>;
  reset(...args: unknown[]): Promise<unknown>;
  readonly decoder: { onErrorReply(error: Error): void; write(chunk: Buffer): void };
}

export interface NodeClient extends EventEmitter {
  /** The client itself: what callers have is an object derived from it, and so is each view with options of its own. */
  readonly _self: NodeClient;
  _commandOptions?: NodeCommandOptions;
  readonly options?: {
    readonly database?: number; readonly commandOptions?: NodeCommandOptions; readonly emitInvalidate?: unknown;
  };
  readonly clientSideCache?: unknown;
  readonly isOpen: boolean;
  readonly isReady: boolean;
  readonly isPubSubActive: boolean;
  connect(): Promise<unknown>;
  destroy(): void;
  ref(): void;
  unref(): void;
  /** RESET, and what begins a connection behind it: HELLO or AUTH, the name, SELECT. */
  reset(): Promise<unknown>;
  sendCommand(args: readonly unknown[], options?: NodeCommandOptions): Promise<unknown>;
  withCommandOptions(options: NodeCommandOptions): NodeClient;
  _getQueue(): NodeQueue;
  _executeMulti(commands: readonly NodeQueued[], ...more: unknown[]): Promise<unknown>;
  _executePipeline(commands: readonly NodeQueued[], ...more: unknown[]): Promise<unknown>;
}

// --------------------------------------------------------------------------------------------------------------------------- ioredis

/** A command of ioredis: a promise with its text. `resolve` takes the raw reply. */
export interface IoCommand {
  name: string;
  readonly args: readonly unknown[];
  readonly promise: Promise<unknown>;
  resolve(reply: unknown): unknown;
  reject(error: unknown): void;
}

export type IoCallback = (error: unknown, results?: unknown) => void;

export interface IoPipeline {
  redis: IoClient;
  readonly _queue: readonly IoCommand[];
  /** How many MULTI in it have no EXEC yet. */
  readonly _transactions: number;
  exec(callback?: IoCallback): Promise<unknown>;
}

export interface IoClient extends EventEmitter {
  status: string;
  readonly stream?: Duplex & { ref?(): unknown; unref?(): unknown };
  /** Read whenever they matter, so that they can be set after the fact. */
  options: {
    readonly db?: number; readonly username?: string | null; readonly password?: string | null; readonly connectionName?: string | null;
    readonly readOnly?: boolean; readonly disableClientInfo?: boolean; readonly clientInfoTag?: string; readonly monitor?: boolean;
    enableAutoPipelining?: boolean; enableOfflineQueue?: boolean; retryStrategy?: unknown; reconnectOnError?: unknown;
    autoResubscribe?: boolean;
    autoResendUnfulfilledCommands?: boolean; maxRetriesPerRequest?: number | null;
  };
  /** What the connection is in; undefined before the first connect. */
  readonly condition?: { readonly subscriber: unknown };
  readonly commandQueue: { readonly length: number };
  connect(): Promise<unknown>;
  disconnect(): void;
  /** Everything that is sent goes through here; with a `stream`, the bytes go there. */
  sendCommand(command: IoCommand, stream?: unknown, node?: unknown): Promise<unknown>;
  call(name: string, ...args: string[]): Promise<unknown>;
  /** Rejects all that is not answered. */
  flushQueue(error: unknown): void;
  /** Told of every error that the server replies with. */
  handleReconnection(error: Error, item: unknown): void;
  pipeline(...args: unknown[]): IoPipeline;
  multi(...args: unknown[]): IoPipeline;
}
