// What an agent and a request of node:http say to each other beyond what is documented. Node's own agent and the drop-ins of others rely
// on the same; it has been so since Node 12. Described here in one place, and nowhere else assumed.

import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** A request, seen from its agent. */
export interface AgentRequest {
  readonly method: string;
  readonly aborted: boolean;
  readonly shouldKeepAlive: boolean;
  /** `end()` was called. */
  finished: boolean;
  /** All of it was sent, and `finish` told. */
  readonly writableFinished: boolean;
  _headerSent?: boolean;
  /** Its own `timeout` option: how long its connection may be silent. */
  readonly timeout?: number;
  destroyed: boolean;
  reusedSocket: boolean;
  socket: AgentSocket | null;
  parser: unknown;
  res: IncomingMessage | null;
  /** Listens to the socket's `timeout` for it. */
  timeoutCb: (() => void) | null;
  /** Request line and headers as they were sent, once they are made. */
  readonly _header?: string | null;
  /** 0: `end()` was all that was ever called. Unknown when the head was made before. */
  readonly _contentLength?: number | null;
  /** What is to be sent once there is a connection. */
  outputData?: { data: string | Buffer; encoding?: string; callback?: unknown }[];
  outputSize?: number;
  destroy(error?: Error): unknown;
  end(): unknown;
  setTimeout(ms: number): unknown;
  /** Takes a connection, or an error, in the next tick. With neither it looks whether it was destroyed. */
  onSocket(socket: AgentSocket | null, error?: Error): void;
  emit(event: string): boolean;
  getHeader(name: string): unknown;
}

/** A connection, seen from the agent; a Duplex that is none of `net` has fewer of these. */
export interface AgentSocket extends Socket {
  secureConnecting?: boolean;
  /** Whose answer is awaited on it. */
  _httpMessage?: AgentRequest | Ghost | null;
  parser?: unknown;
  _handle?: { asyncReset?: (resource: object) => void; getProviderType?: () => string } | null;
}

/** Stands in for a request on a connection that died, so that what Node does there for its end concerns nobody. */
export class Ghost {
  destroyed = true;
  parser: unknown = null;
  outputData: unknown[] = [];
  readonly res = { complete: true, aborted: true, readable: false };
  readonly socket = { _hadError: true };

  emit(): boolean {
    return false;
  }
}

class ReusedHandle {
  readonly type: string | undefined;
  readonly handle: object;

  constructor(type: string | undefined, handle: object) {
    this.type = type;
    this.handle = handle;
  }
}

/** What happens on this connection from now on happens in the async context of whoever calls this. */
export function enterContext(socket: AgentSocket): void {
  const handle = socket._handle;
  if (typeof handle?.asyncReset === 'function') handle.asyncReset(new ReusedHandle(handle.getProviderType?.(), handle));
}

export function asRequest(request: ClientRequest): AgentRequest {
  return request as unknown as AgentRequest;
}
