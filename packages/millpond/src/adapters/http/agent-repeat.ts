// Sending a request once more, when the connection it was sent on turns out to have died. A server may close an idle connection at any
// time. When that crosses with a request on its way, the client sees the connection end before the first byte of an answer. For a method
// that may be repeated (RFC 9110, 9.2.2) that is nothing to trouble the caller with, provided that
//
// - the connection had been used before: on a new one the server is at fault, not the crossing,
// - not one byte had arrived, and
// - nothing of the request is lost: it has no body, and its head is kept by Node.
//
// How: Node's listeners on a connection find their request through the connection. Ours stand before them, as they were there first, and
// put a ghost in its place. The request never learns of the end, and is given the next connection as it was given the first.

import { Ghost, type AgentRequest, type AgentSocket } from './agent-internals.ts';

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
const HAS_BODY = /\r\n(?:transfer-encoding:|content-length:\s*0*[1-9])/i;

/** Whether this request could be sent again from what Node keeps of it. */
export function isRepeatable(request: AgentRequest): boolean {
  const { _header: head } = request;
  return IDEMPOTENT.has(request.method) && request.finished && !request.destroyed && !request.aborted && request.res === null
    && typeof head === 'string' && !HAS_BODY.test(head) && request._contentLength === 0
    && Array.isArray(request.outputData);
}

/** Takes a request off the connection that died, as if it had never been on it. Called by a listener that runs before Node's. */
export function takeOff(request: AgentRequest, socket: AgentSocket): void {
  const { timeoutCb } = request;
  socket._httpMessage = new Ghost();
  request.socket = null;
  request.parser = null;
  request.reusedSocket = false;
  queueAgain(request);
  if (timeoutCb === null) return;
  // How long it bears silence goes along to the next connection.
  socket.removeListener('timeout', timeoutCb);
  request.timeoutCb = null;
  if (socket.timeout) request.setTimeout(socket.timeout);
}

/** The head is to go out again, and that it has gone out is to be told once. */
function queueAgain(request: AgentRequest): void {
  // Not sent yet: it is still there.
  if (request.outputData!.length > 0) return;
  if (request.writableFinished) {
    // Told already, or, before Node 26, about to be told by the write that failed.
    request.outputData!.push({ data: request._header!, encoding: 'latin1' });
    request.outputSize = request._header!.length;
    return;
  }
  request.finished = false;
  request._headerSent = false;
  request.end();
}
