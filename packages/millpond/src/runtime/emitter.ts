// Listeners and diagnostics channels. Whoever emits asks `wants` first, so that with nobody listening no payload is made.

import { POOL_EVENTS, type PoolEventName, type PoolEvents } from '../events.ts';
import { channels } from '../telemetry/channels.ts';
import { reason } from './refusals.ts';

type Listener = (event: never) => void;

const acquireChannel = channels.acquire;
const releaseChannel = channels.release;

export class Emitter<T> {
  private readonly listeners: Record<PoolEventName, readonly Listener[] | undefined>;
  readonly #pool: string;

  constructor(pool: string) {
    this.#pool = pool;
    // All names from the start: an object that grows by names is a slow one to ask.
    this.listeners = Object.fromEntries(POOL_EVENTS.map((name) => [name, undefined])) as typeof this.listeners;
  }

  on<K extends PoolEventName>(name: K, listener: (event: PoolEvents<T>[K]) => void): () => void {
    if (!POOL_EVENTS.includes(name)) {
      throw new TypeError(`Pool "${this.#pool}" has no event "${String(name)}"; there are ${POOL_EVENTS.join(', ')}`);
    }
    if (typeof listener !== 'function') throw new TypeError(`A listener must be a function, not ${typeof listener}`);
    // Wrapped, so that the same function added twice is two subscriptions, each with its own end.
    const entry: Listener = (event) => listener(event);
    this.listeners[name] = [...(this.listeners[name] ?? []), entry];
    return () => {
      const rest = (this.listeners[name] ?? []).filter((each) => each !== entry);
      this.listeners[name] = rest.length > 0 ? rest : undefined;
    };
  }

  // The two on the hot path, without a look-up by name.
  get wantsAcquire(): boolean {
    return this.listeners.acquire !== undefined || acquireChannel.hasSubscribers;
  }

  get wantsRelease(): boolean {
    return this.listeners.release !== undefined || releaseChannel.hasSubscribers;
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
        process.emitWarning(`A "${name}" listener of pool "${this.#pool}" threw: ${reason(error)}`, { code: 'MILLPOND_LISTENER_THREW' });
      }
    }
    const channel = channels[name];
    if (channel.hasSubscribers) channel.publish({ pool: this.#pool, ...event });
  }
}
