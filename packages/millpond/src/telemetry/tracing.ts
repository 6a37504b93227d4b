// What takes time, on the tracing channels of `node:diagnostics_channel`: `start` and `end` around the call, `asyncStart` and `asyncEnd`
// when it has come to its end, `error` when it failed. One message for all of them, with the pool's name as `pool`. Whoever traces
// subscribes to `start`: that is all that is looked at, so that with nobody there an acquire pays half a nanosecond.

import { tracingChannel, type TracingChannel } from 'node:diagnostics_channel';

/** An acquire or `use`, with its options; `result`: the lease. */
export const acquiring: TracingChannel = tracingChannel('millpond:pool:acquire');
/** A factory's create; `arguments`: what it was given; `result`: the resource. */
export const creating: TracingChannel = tracingChannel('millpond:connection:create');
/** A factory's validate; `arguments`: what it was given, the resource first; `result`: is it alive? */
export const validating: TracingChannel = tracingChannel('millpond:connection:validate');

/** The same hook; while somebody traces one that tells, and that answers later even if the hook answers at once. */
export function traced<A extends unknown[], R>(
  channel: TracingChannel, pool: string, hook: (...args: A) => Promise<R> | R,
): (...args: A) => Promise<R> | R {
  if (!channel.start.hasSubscribers) return hook;
  return function(this: unknown, ...args) {
    return channel.tracePromise(hook as (...args: A) => Promise<R>, { pool, arguments: args }, this, ...args);
  };
}
