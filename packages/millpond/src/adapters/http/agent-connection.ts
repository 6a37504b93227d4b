// One connection of an agent: what the pool lends, with what is known about it, and the listeners that stay on it for its whole life. They
// are there before Node's, which come and go with each request, so they see everything first:
//
// - a byte that nobody asked for (an answer too many, the 408 that some servers say good-bye with) makes the connection unfit: the next
//   request would take it for its answer,
// - an end while it is idle takes it out of the pool at once,
// - an end before the first byte of an answer may be kept from its request, which is then sent again (agent-repeat.ts),
// - an error always has a listener, also in the ticks between two requests, so it never crashes the process.

import type { Lease } from '../../index.ts';
import { enterContext, type AgentRequest, type AgentSocket } from './agent-internals.ts';
import type { Origin } from './agent-origin.ts';
import { isRepeatable, takeOff } from './agent-repeat.ts';
import { parseKeepAlive, rawHeader, usableMs, type KeepAliveHint } from './hint.ts';

/** What a connection needs of its agent. */
export interface Owner {
  readonly retry: boolean;
  readonly keepAliveTimeoutMs: number;
  readonly keepAliveMarginMs: number;
  readonly acquireTimeoutMs: number;
  /** Node's `timeout` option, 0: none. */
  readonly timeout: number;
  now(): number;
  /** A request is on its way back: may its connection be used again? */
  keeps(socket: AgentSocket): boolean;
  reuses(socket: AgentSocket, request: AgentRequest): void;
  /** It is idle from here on, and usable until then. */
  rests(connection: Connection, until: number): void;
  /** The request is on no connection any more, and wants another. */
  repeat(request: AgentRequest, connection: Connection): void;
}

const NO_HINT: KeepAliveHint = { timeoutMs: undefined, max: undefined };

const CONNECTION = Symbol('millpond.http.connection');

type Marked = AgentSocket & { [CONNECTION]?: Connection };

export function connectionOf(socket: object): Connection {
  return (socket as Marked)[CONNECTION]!;
}

export class Connection {
  readonly socket: AgentSocket;
  readonly origin: Origin;
  lease: Lease<AgentSocket> | undefined = undefined;
  request: AgentRequest | undefined = undefined;
  /** Until when the request it carries may be sent again. */
  deadline = 0;
  /** Given to somebody else for good. */
  handedOver = false;
  referenced = true;
  onLost: ((cause?: unknown) => void) | undefined = undefined;
  private readonly owner: Owner;
  /** Until when its server may be expected to keep it open while it is idle. */
  private usableUntil = Infinity;
  /** It lies idle, and time runs. */
  private resting = false;
  private checkedAt = 0;
  private carriedOne = false;
  /** A byte has arrived for the request that it carries. */
  private answering = false;
  private unfit = false;
  private gone = false;
  private cause: unknown = undefined;

  constructor(socket: AgentSocket, origin: Origin, owner: Owner) {
    this.socket = socket;
    this.origin = origin;
    this.owner = owner;
    (socket as Marked)[CONNECTION] = this;
    origin.connections.add(this);
    const { destroy } = socket;
    socket.destroy = (error) => destroy.call(socket, socket.destroyed ? error : this.onDestroy(error));
    socket.on('data', onData);
    socket.on('end', onEnd);
    socket.on('error', onError);
    socket.on('close', onClose);
    socket.on('free', onFree);
    socket.on('agentRemove', onAgentRemove);
  }

  get usable(): boolean {
    if (this.unfit || this.socket.destroyed || !this.socket.writable) return false;
    // Asked when it comes back, too, and then a clock need not be read.
    return !this.resting || this.usableUntil > (this.checkedAt = this.owner.now());
  }

  /** How much longer it may be idle and still be used. Infinity while it is lent. */
  restsFor(now: number): number {
    return this.resting ? this.usableUntil - now : Infinity;
  }

  /** It keeps the process alive only while it is lent. */
  unreference(): void {
    if (this.lease !== undefined || this.gone) return;
    this.referenced = false;
    this.socket.unref?.();
  }

  /** Gives it to a request. */
  carry(lease: Lease<AgentSocket>, request: AgentRequest, deadline: number | undefined): void {
    const { socket, owner } = this;
    this.lease = lease;
    this.request = request;
    // Read when it was looked at before it was lent; one that is new needs none.
    this.deadline = deadline ?? this.checkedAt + owner.acquireTimeoutMs;
    this.resting = false;
    this.answering = false;
    enterContext(socket);
    if (this.carriedOne) owner.reuses(socket, request);
    if (!this.referenced) {
      this.referenced = true;
      socket.ref?.();
    }
    request.onSocket(socket);
    const silenceMs = request.timeout ?? owner.timeout;
    if ((socket.timeout ?? 0) !== silenceMs) socket.setTimeout?.(silenceMs);
  }

  /** How long its server lets it be idle from now on; 0: it must not be used again. */
  private restMs(request: AgentRequest): number {
    const { owner, origin } = this;
    const value = request.res === null ? undefined : rawHeader(request.res.rawHeaders, 'keep-alive');
    // A server says the same with nearly every answer.
    if (value === origin.hint && origin.restMs !== undefined) return origin.restMs;
    const { timeoutMs, max } = value === undefined ? NO_HINT : parseKeepAlive(value);
    if (max === 0) return 0;
    origin.hint = value;
    origin.restMs = timeoutMs === undefined ? owner.keepAliveTimeoutMs : usableMs(timeoutMs, owner.keepAliveMarginMs);
    return origin.restMs;
  }

  /** The request is done with it. */
  free(): void {
    const { lease, socket, request, owner } = this;
    if (lease === undefined || request === undefined) return;
    this.lease = undefined;
    this.request = undefined;
    // It may go to the next one from here, without being looked at again.
    const now = this.checkedAt = owner.now();
    // A request that was destroyed before its turn has sent nothing: for the server the connection has been idle all the time.
    const used = request.socket === socket;
    socket._httpMessage = null;
    if (used) {
      this.carriedOne = true;
      const restMs = request.shouldKeepAlive && owner.keeps(socket) ? this.restMs(request) : 0;
      if (restMs <= 0) {
        lease.destroy();
        return;
      }
      this.usableUntil = now + restMs;
    }
    lease.release();
    if (this.lease === undefined && !this.gone) this.rest();
  }

  /** It is new, and idle for the time being. */
  start(): void {
    const { owner, origin } = this;
    this.usableUntil = owner.now() + (origin.restMs ?? owner.keepAliveTimeoutMs);
    this.rest();
  }

  private rest(): void {
    this.resting = true;
    this.owner.rests(this, this.usableUntil);
  }

  /** It belongs to somebody else for good: a request that became a WebSocket or a tunnel. */
  handOver(): void {
    const { lease, socket } = this;
    this.handedOver = true;
    this.forget();
    socket.off('data', onData);
    socket.off('end', onEnd);
    socket.off('error', onError);
    socket.off('close', onClose);
    socket.off('free', onFree);
    socket.off('agentRemove', onAgentRemove);
    this.lease = undefined;
    this.request = undefined;
    if (lease !== undefined && !lease.ended) lease.detach();
    else this.onLost?.(new Error('the connection was taken out of the agent'));
  }

  onBytes(): void {
    this.answering = true;
    if (this.request === undefined || !this.socket.parser) this.lose(new Error('the server sent something that nobody had asked for'));
  }

  /** The other side has ended it. */
  onEnd(): void {
    this.takeOff();
    this.lose(this.cause);
  }

  /**
   * It is being destroyed. When the network did it, those who would be told include listeners that know the request and end it (axios has
   * such); so what is kept from the request is kept from all. Returns the error that may be told.
   */
  onDestroy(error: Error | null | undefined): Error | undefined {
    this.cause ??= error ?? undefined;
    return isOfTheNetwork(error) && this.takeOff() ? undefined : error ?? undefined;
  }

  onError(error: unknown): void {
    this.cause ??= error;
    this.lose(error);
  }

  /** Takes the request off, if it may be sent again, and asks for another connection for it. */
  private takeOff(): boolean {
    const { request, socket, owner } = this;
    if (request === undefined || !owner.retry || !this.carriedOne || this.answering || request.socket !== socket) return false;
    if (!isRepeatable(request) || owner.now() >= this.deadline) return false;
    this.request = undefined;
    takeOff(request, socket);
    owner.repeat(request, this);
    return true;
  }

  onClose(): void {
    const { lease } = this;
    this.lose(this.cause);
    this.forget();
    this.lease = undefined;
    this.request = undefined;
    if (lease !== undefined && !lease.ended) lease.destroy(this.cause);
  }

  private forget(): void {
    this.gone = true;
    this.origin.connections.delete(this);
  }

  /** Not to be lent again. What it carries goes on for as long as it can. */
  private lose(cause: unknown): void {
    this.unfit = true;
    if (this.lease === undefined) this.onLost?.(cause);
  }
}

/** What the other side, or the way there, does to a connection. What is done on this side has no `syscall`, and is meant. */
const OF_THE_NETWORK: ReadonlySet<unknown> = new Set([
  'ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'ENETRESET',
]);

function isOfTheNetwork(error: (Error & { readonly code?: unknown; readonly syscall?: unknown }) | null | undefined): boolean {
  return typeof error?.syscall === 'string' && OF_THE_NETWORK.has(error.code);
}

function onData(this: object): void {
  connectionOf(this).onBytes();
}

function onEnd(this: object): void {
  connectionOf(this).onEnd();
}

function onError(this: object, error: unknown): void {
  connectionOf(this).onError(error);
}

function onClose(this: object): void {
  connectionOf(this).onClose();
}

function onFree(this: object): void {
  connectionOf(this).free();
}

function onAgentRemove(this: object): void {
  connectionOf(this).handOver();
}
