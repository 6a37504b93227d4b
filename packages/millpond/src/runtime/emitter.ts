// Listeners and diagnostics channels. Whoever emits asks `wants` first, so that with nobody listening no payload is made.

import { POOL_EVENTS, type PoolEventName, type PoolEvents } from '../events.ts';
import { channels } from '../telemetry/channels.ts';

type Listener = (event: never) => void;

export class Emitter<T> {
  private readonly listeners: Partial<Record<PoolEventName, readonly Listener[]>> = {};
  private readonly pool: string;

  constructor(pool: string) {
    this.pool = pool;
  }

  on<K extends PoolEventName>(name: K, listener: (event: PoolEvents<T>[K]) => void): () => void {
    if (!POOL_EVENTS.includes(name)) throw new TypeError(`Pool "${this.pool}" has no event "${String(name)}"; there are ${POOL_EVENTS.join(', ')}`);
    if (typeof listener !== 'function') throw new TypeError(`A listener must be a function, not ${typeof listener}`);
    // Wrapped, so that the same function added twice is two subscriptions, each with its own end.
    const entry: Listener = (event) => listener(event);
    this.listeners[name] = [...(this.listeners[name] ?? []), entry];
    return () => {
      const rest = (this.listeners[name] ?? []).filter((each) => each !== entry);
      if (rest.length > 0) this.listeners[name] = rest;
      else delete this.listeners[name];
    };
  }

  wants(name: PoolEventName): boolean {
    return this.listeners[name] !== undefined || channels[name].hasSubscribers;
  }

  emit<K extends PoolEventName>(name: K, event: PoolEvents<T>[K]): void {
    for (const listener of this.listeners[name] ?? []) {
      try {
        (listener as (event: PoolEvents<T>[K]) => void)(event);
      } catch (error) {
        // The pool's state is whole; what failed is somebody's reporting. Say so once per failure, without ending the process.
        process.emitWarning(`A "${name}" listener of pool "${this.pool}" threw: ${String(error)}`, { code: 'MILLPOND_LISTENER_THREW' });
      }
    }
    const channel = channels[name];
    if (channel.hasSubscribers) channel.publish({ pool: this.pool, ...event });
  }
}
