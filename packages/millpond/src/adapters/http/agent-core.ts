// What HttpAgent and HttpsAgent have in common: requests come, connections are lent to them by a pool per origin, and come back. A request
// is a lease. When a connection is idle the request has it in the same tick, as with Node's agent.

import type { ClientRequest } from 'node:http';
import { urlToHttpOptions } from 'node:url';
import { KeyedPool, type CloseOptions, type CloseResult, type Lease, type Pool } from '../../index.ts';
import { invalid } from '../common/options.ts';
import { Sweep, UNREFERENCE_AFTER_MS } from '../common/sweep.ts';
import { agentFactory } from './agent-connect.ts';
import { connectionOf, type Connection, type Owner } from './agent-connection.ts';
import type { AgentRequest, AgentSocket } from './agent-internals.ts';
import { Origin } from './agent-origin.ts';
import { Waiting } from './agent-waiting.ts';
import type { AgentSettings } from './options.ts';
import { originText, serverNameOf, trustText } from './origin.ts';
import type { HttpAgentStats, HttpWarmOptions } from './types.ts';

/** The agent, as the core calls it: methods that a derived class may have overridden. */
export interface AgentFace {
  readonly protocol: string;
  readonly defaultPort: number;
  readonly options: object;
  getName(options: object): string;
  createConnection(options: object, callback: (error: Error | null, socket?: AgentSocket) => void): unknown;
  keepSocketAlive(socket: AgentSocket): unknown;
  reuseSocket(socket: AgentSocket, request: AgentRequest): void;
  listenerCount(event: string): number;
  emit(event: string, ...values: unknown[]): boolean;
}

type RequestOptions = Record<string, unknown>;

interface Place {
  readonly host?: string;
  readonly port?: number;
  readonly socketPath?: string;
}

/** Belongs to one request: a connection outlives it, and is not to keep its credentials. */
const OF_THE_REQUEST: ReadonlySet<string> = new Set(['headers', 'auth', 'agent', '_defaultAgent', 'signal', 'method', 'timeout']);

/** A longer timer than this would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

export class AgentCore implements Owner {
  readonly pools: KeyedPool<Origin, AgentSocket>;
  readonly retry: boolean;
  readonly keepAliveTimeoutMs: number;
  readonly keepAliveMarginMs: number;
  readonly acquireTimeoutMs: number;
  readonly timeout: number;
  readonly now: () => number;
  retries = 0;
  private readonly agent: AgentFace;
  private readonly settings: AgentSettings;
  /** By the name of all their options, the agent's included. */
  private readonly origins = new Map<string, Origin>();
  /** The same by what the requests say. */
  private readonly known = new Map<string, Origin>();
  private lookThroughAt = 64;
  private readonly unreference = new Sweep<Connection>(UNREFERENCE_AFTER_MS, (connection) => connection.unreference());
  private expiry: { readonly timer: NodeJS.Timeout; readonly at: number } | undefined = undefined;

  constructor(agent: AgentFace, settings: AgentSettings) {
    this.agent = agent;
    this.settings = settings;
    this.retry = settings.retry;
    this.keepAliveTimeoutMs = settings.keepAliveTimeoutMs;
    this.keepAliveMarginMs = settings.keepAliveMarginMs;
    this.acquireTimeoutMs = settings.acquireTimeoutMs;
    this.timeout = Number(settings.connect['timeout'] ?? 0);
    const { clock } = settings.pools;
    this.now = clock === undefined ? () => performance.now() : () => clock.now();
    this.pools = new KeyedPool({
      ...settings.pools,
      keyOf: ({ text }) => text,
      factory: (origin) => agentFactory(origin, this, { connect: (to, callback) => this.connect(to, callback) }),
    });
  }

  // --------------------------------------------------------------------------------------------------- what requests ask

  addRequest(request: AgentRequest, options: RequestOptions): void {
    const origin = this.originOf(options, request);
    const lease = origin.pool?.tryAcquire();
    if (lease !== undefined) {
      this.give(lease, request, undefined);
      return;
    }
    origin.options = options;
    this.wait(request, origin, Math.ceil(this.acquireTimeoutMs));
  }

  private give(lease: Lease<AgentSocket>, request: AgentRequest, deadline: number | undefined): void {
    try {
      connectionOf(lease.resource).carry(lease, request, deadline);
    } catch (error) {
      // Of a method of a derived class: the request is told, and not whoever has just given the connection back.
      lease.destroy(error);
      request.onSocket(null, error as Error);
    }
  }

  private wait(request: AgentRequest, origin: Origin, timeoutMs: number, deadline?: number): void {
    origin.pool = this.pools.open(origin);
    new Waiting(request, origin, (lease) => this.give(lease, request, deadline)).queue(origin.pool, timeoutMs);
  }

  /**
   * Asked for each request, and the agent's own options are the same for all of them: what the request itself says tells origins apart.
   * With TLS that includes the Host header, of which the name for the handshake is made.
   */
  private originOf(options: RequestOptions, request: AgentRequest | undefined): Origin {
    const name = this.nameOf(options);
    const key = this.agent.protocol === 'https:' ? `${name}\n${hostHeader(request) ?? ''}` : name;
    return this.known.get(key) ?? this.learn(key, options, request);
  }

  /** As Node has it, and what Node leaves out: whoever checks a certificate otherwise does not get a connection that others trust. */
  private nameOf(options: RequestOptions): string {
    const { agent } = this;
    const name = agent.getName(options);
    return agent.protocol === 'https:' ? name + trustText(options, agent.options as RequestOptions) : name;
  }

  private learn(key: string, given: RequestOptions, request: AgentRequest | undefined): Origin {
    const options = this.merged(given, hostHeader(request));
    const name = this.nameOf(options);
    let origin = this.origins.get(name);
    if (origin === undefined) {
      this.forgetOrigins();
      origin = new Origin(name, this.textOf(name, options), options);
      this.origins.set(name, origin);
    }
    // Many names may mean the same place: those of bare addresses do.
    if (this.known.size > 4 * this.lookThroughAt) this.known.clear();
    this.known.set(key, origin);
    return origin;
  }

  /** As Node does: what the agent says wins over what the request says. */
  private merged(given: RequestOptions, header: string | undefined): RequestOptions {
    const { agent } = this;
    const options: RequestOptions = Object.create(null) as RequestOptions;
    for (const [key, value] of Object.entries(given)) if (!OF_THE_REQUEST.has(key)) options[key] = value;
    Object.assign(options, agent.options);
    const { host = 'localhost' } = options as Place;
    options['servername'] ??= serverNameOf(host, header);
    return options;
  }

  private textOf(name: string, options: RequestOptions): string {
    const { protocol } = this.agent;
    const { host = 'localhost', port, socketPath } = options as Place;
    // What this request adds to what is so for all of them: an identity that others to the same server do not have.
    const plain = this.nameOf(this.merged({ host, port, socketPath }, undefined));
    return originText({ protocol, host, port, socketPath }, name === plain ? '' : name);
  }

  /** The pools forget those that fell silent; when what is kept beside them has doubled, it is looked through. */
  private forgetOrigins(): void {
    if (this.origins.size < this.lookThroughAt) return;
    for (const [name, origin] of this.origins) if (this.pools.get(origin) === undefined) this.origins.delete(name);
    this.known.clear();
    this.lookThroughAt = Math.max(64, 2 * this.origins.size);
  }

  // ------------------------------------------------------------------------------------------- what connections ask

  private connect(
    origin: Origin, callback: (error: Error | null, socket?: AgentSocket) => void,
  ): AgentSocket | null | undefined {
    const { agent } = this;
    const options = this.merged(origin.options, undefined);
    // Part of its name, and what the request that waited last says of it need not be: there it may stand in a Host header.
    options['servername'] = origin.servername;
    options['path'] = options['socketPath'] ?? null;
    options['encoding'] = null;
    options['_agentKey'] = origin.name;
    const watched = (error: Error | null, socket?: AgentSocket): void => callback(error, this.watchKeys(socket));
    return this.watchKeys(agent.createConnection(options, watched) as AgentSocket | undefined);
  }

  /** TLS tells its keys only if somebody listens. */
  private watchKeys(socket: AgentSocket | null | undefined): AgentSocket | undefined {
    const { agent } = this;
    if (socket && agent.listenerCount('keylog') > 0) socket.on('keylog', (line) => agent.emit('keylog', line, socket));
    return socket ?? undefined;
  }

  keeps(socket: AgentSocket): boolean {
    try {
      return this.agent.keepSocketAlive(socket) !== false;
    } catch (error) {
      process.emitWarning(error as Error);
      return false;
    }
  }

  reuses(socket: AgentSocket, request: AgentRequest): void {
    this.agent.reuseSocket(socket, request);
  }

  repeat(request: AgentRequest, { origin, deadline }: Connection): void {
    this.retries++;
    this.wait(request, origin, Math.max(1, Math.ceil(deadline - this.now())), deadline);
  }

  rests(connection: Connection, until: number): void {
    if (connection.referenced) this.unreference.add(connection);
    const { agent, expiry } = this;
    if (agent.listenerCount('free') > 0) tellFree(agent, connection);
    if (until < (expiry?.at ?? Infinity)) this.expireAt(until);
  }

  /** One timer for all: it closes those that their servers are about to close. */
  private expireAt(at: number): void {
    clearTimeout(this.expiry?.timer);
    const inMs = Math.min(Math.ceil(at - this.now()), LONGEST_MS);
    this.expiry = { timer: setTimeout(() => this.expire(), inMs).unref(), at };
  }

  private expire(): void {
    this.expiry = undefined;
    const now = this.now();
    let next = Infinity;
    for (const origin of this.origins.values()) {
      let over = false;
      for (const connection of origin.connections) {
        const restMs = connection.restsFor(now);
        if (restMs <= 0) over = true;
        else next = Math.min(next, now + restMs);
      }
      if (over) this.pools.get(origin)?.evict({ where: (socket) => connectionOf(socket).restsFor(now) <= 0 });
    }
    if (next < Infinity) this.expireAt(next);
  }

  // ------------------------------------------------------------------------------------------------ what callers ask

  pool(origin: string | URL): Pool<AgentSocket> {
    const { name } = this.settings;
    const url = typeof origin === 'string' ? parsed(origin, name) : origin;
    if (url.protocol !== this.agent.protocol) throw invalid('origin', `must begin with ${this.agent.protocol}//`, name);
    const { hostname, port } = urlToHttpOptions(url);
    return this.pools.open(this.originOf({ host: hostname ?? 'localhost', port: port ?? this.agent.defaultPort }, undefined));
  }

  async warm(origin: string | URL, options: HttpWarmOptions = {}): Promise<void> {
    const { min = Math.max(1, this.settings.pools.min ?? 0), ...waiting } = options;
    const pool = this.pool(origin);
    pool.resize({ min });
    await pool.ready(waiting);
  }

  poolsByText(): Map<string, Pool<AgentSocket>> {
    const all = new Map<string, Pool<AgentSocket>>();
    for (const origin of this.origins.values()) {
      const pool = this.pools.get(origin);
      if (pool !== undefined) all.set(origin.text, pool);
    }
    return all;
  }

  stats(): HttpAgentStats {
    return { ...this.pools.stats(), retries: this.retries };
  }

  close(options?: CloseOptions): Promise<CloseResult> {
    return this.pools.close(options);
  }

  /** As Node's: everything that is open is closed, and the agent goes on. */
  destroy(): void {
    for (const { connections } of this.origins.values()) for (const { socket } of [...connections]) socket.destroy();
  }

  remove(socket: object): void {
    (connectionOf(socket) as Connection | undefined)?.handOver();
  }

  sockets(idle: boolean): Record<string, AgentSocket[]> {
    return this.byName(({ connections }) => {
      return [...connections].filter(({ lease }) => (lease === undefined) === idle).map(({ socket }) => socket);
    });
  }

  requests(): Record<string, ClientRequest[]> {
    return this.byName(({ firstWaiting }) => {
      const all: AgentRequest[] = [];
      for (let waiting = firstWaiting; waiting !== undefined; waiting = waiting.next) all.push(waiting.request);
      return all as unknown[] as ClientRequest[];
    });
  }

  private byName<R>(list: (origin: Origin) => R[]): Record<string, R[]> {
    const all: Record<string, R[]> = Object.create(null) as Record<string, R[]>;
    for (const origin of this.origins.values()) {
      const found = list(origin);
      if (found.length > 0) all[origin.name] = found;
    }
    return all;
  }
}

/** A listener that throws is reported, and does no other harm: this may be in the middle of a connect. */
function tellFree(agent: AgentFace, { socket, origin }: Connection): void {
  try {
    agent.emit('free', socket, origin.options);
  } catch (error) {
    process.emitWarning(error as Error);
  }
}

function hostHeader(request: AgentRequest | undefined): string | undefined {
  const header = request?.getHeader('host');
  return typeof header === 'string' ? header : undefined;
}

function parsed(origin: string, name: string): URL {
  try {
    return new URL(origin);
  } catch (error) {
    throw Object.assign(invalid('origin', 'must be a URL', name), { cause: error });
  }
}
