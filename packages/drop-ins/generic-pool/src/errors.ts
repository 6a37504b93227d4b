// What an acquire is told, in generic-pool's words. The engine's error, with all its numbers, is the cause.

import { AcquireTimeoutError, CreateError, QueueFullError } from 'millpond';

class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
}

export function translated(error: unknown): unknown {
  if (error instanceof AcquireTimeoutError) return new TimeoutError('ResourceRequest timed out', { cause: error });
  if (error instanceof QueueFullError) return new Error('max waitingClients count exceeded', { cause: error });
  return error instanceof CreateError ? error.cause : error;
}
