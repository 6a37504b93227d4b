/// <reference lib="esnext.disposable" preserve="true" />
// HttpAgent and HttpsAgent: Node's agents by type and by contract, so that whatever takes one of those takes these; the lending is the
// pool's. Each inherits what it says to the outside (getName, createConnection with its TLS sessions) and replaces what it does inside.

import http from 'node:http';
import type { ClientRequest } from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import type { CloseOptions, CloseResult, Pool } from '../../index.ts';
import { AgentCore, type AgentFace } from './agent-core.ts';
import { asRequest, type AgentSocket } from './agent-internals.ts';
import { agentSettings, type AgentSettings } from './options.ts';
import type { HttpAgentOptions, HttpAgentStats, HttpsAgentOptions, HttpWarmOptions } from './types.ts';

const CORE: unique symbol = Symbol('millpond.http.core');

/** For `http:`. Throws {@link InvalidOptionError}. */
export class HttpAgent extends http.Agent implements AsyncDisposable {
  /** @internal */
  readonly [CORE]: AgentCore;

  constructor(options?: HttpAgentOptions) {
    const settings = agentSettings('http', options);
    super(nodeOptions(settings));
    this[CORE] = coreOf(this, settings);
  }

  /** The pools there are now, by the text of their origin. */
  get pools(): ReadonlyMap<string, Pool<Duplex>> {
    return this[CORE].poolsByText();
  }

  /** The pool of an origin (`http://api.internal:8080`), made if there is none yet: for its events, its size, its evictions. */
  pool(origin: string | URL): Pool<Duplex> {
    return this[CORE].pool(origin);
  }

  /**
   * Keeps at least `min` connections to this origin open from now on, and resolves when they are. Rejects with a {@link CreateError} or an
   * {@link AcquireTimeoutError}; the agent goes on trying all the same.
   */
  warm(origin: string | URL, options?: HttpWarmOptions): Promise<void> {
    return this[CORE].warm(origin, options);
  }

  stats(): HttpAgentStats {
    return this[CORE].stats();
  }

  /**
   * The end: requests that wait fail, idle connections are closed, requests that run get until the deadline (default 10 000 ms), later
   * ones fail with `ERR_POOL_CLOSED`. Again: the same promise; an earlier deadline counts.
   */
  close(options?: CloseOptions): Promise<CloseResult> {
    return this[CORE].close(options);
  }

  /** As Node's agent: closes all connections at once, those with a request too. The agent can be used again afterwards. */
  override destroy(): void {
    this[CORE].destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** For `https:`; the same with TLS, whose sessions are resumed. Throws {@link InvalidOptionError}. */
export class HttpsAgent extends https.Agent implements AsyncDisposable {
  /** @internal */
  readonly [CORE]: AgentCore;

  constructor(options?: HttpsAgentOptions) {
    const settings = agentSettings('https', options);
    super(nodeOptions(settings));
    this[CORE] = coreOf(this, settings);
  }

  /** {@link HttpAgent.pools} */
  get pools(): ReadonlyMap<string, Pool<Duplex>> {
    return this[CORE].poolsByText();
  }

  /** {@link HttpAgent.pool} */
  pool(origin: string | URL): Pool<Duplex> {
    return this[CORE].pool(origin);
  }

  /** {@link HttpAgent.warm} */
  warm(origin: string | URL, options?: HttpWarmOptions): Promise<void> {
    return this[CORE].warm(origin, options);
  }

  stats(): HttpAgentStats {
    return this[CORE].stats();
  }

  /** {@link HttpAgent.close} */
  close(options?: CloseOptions): Promise<CloseResult> {
    return this[CORE].close(options);
  }

  /** {@link HttpAgent.destroy} */
  override destroy(): void {
    this[CORE].destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** What Node's own constructor is told, and what stands in `agent.options` afterwards. */
function nodeOptions({ connect, pools }: AgentSettings): http.AgentOptions {
  const { keepAliveInitialDelay = 1_000, ...rest } = connect as { readonly keepAliveInitialDelay?: number };
  return {
    ...rest,
    keepAlive: true,
    keepAliveInitialDelay,
    keepAliveMsecs: keepAliveInitialDelay,
    maxSockets: pools.max ?? Infinity,
    maxTotalSockets: pools.maxTotal ?? Infinity,
    scheduling: pools.idleOrder ?? 'lifo',
  };
}

function coreOf(agent: HttpAgent | HttpsAgent, settings: AgentSettings): AgentCore {
  // What Node's constructor listens with is its own lending and its own lists.
  agent.removeAllListeners('free');
  agent.removeAllListeners('newListener');
  return new AgentCore(agent as unknown as AgentFace, settings);
}

/** What Node calls, derived classes may override, and nobody else needs: not part of the types, as it is none of Node's. */
const INSIDE = {
  addRequest(this: HttpAgent, request: ClientRequest, options: Record<string, unknown>): void {
    this[CORE].addRequest(asRequest(request), options);
  },
  /** May a connection whose request is done be used again? */
  keepSocketAlive(): boolean {
    return true;
  },
  reuseSocket(_: AgentSocket, request: ClientRequest): void {
    asRequest(request).reusedSocket = true;
  },
  removeSocket(this: HttpAgent, socket: object): void {
    this[CORE].remove(socket);
  },
  createSocket(_: ClientRequest, __: object, callback: (error: Error) => void): void {
    callback(new TypeError('Connections of this agent are made by its pools. Override createConnection to make them another way'));
  },
};

// Node's constructor sets these as properties; what it sets is not kept.
const LISTS = {
  sockets: list((core) => core.sockets(false)),
  freeSockets: list((core) => core.sockets(true)),
  requests: list((core) => core.requests()),
  totalSocketCount: list((core) => core.stats().size),
};

function list(look: (core: AgentCore) => unknown): PropertyDescriptor {
  return {
    configurable: true,
    get(this: { readonly [CORE]?: AgentCore }) {
      return this[CORE] === undefined ? undefined : look(this[CORE]);
    },
    set: () => undefined,
  };
}

for (const { prototype } of [HttpAgent, HttpsAgent]) {
  for (const [name, value] of Object.entries(INSIDE)) Object.defineProperty(prototype, name, { value, configurable: true, writable: true });
  Object.defineProperties(prototype, LISTS);
}
