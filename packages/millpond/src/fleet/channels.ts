// What a fleet tells on node:diagnostics_channel, beside the events of its pools. Each message has the pool's name as `pool`. Without a
// subscriber nothing is made.

import { channel, type Channel } from 'node:diagnostics_channel';

export interface FleetMessages {
  /** What the pool may hold has changed, or how that came about. */
  'millpond:fleet:grant': {
    readonly pool: string; readonly permit: number; readonly before: number; readonly learning: boolean; readonly unmet: number;
  };
  /** The coordinator did not answer. */
  'millpond:fleet:failure': { readonly pool: string; readonly error: unknown };
  /** It does not take this pool for one of the fleet. */
  'millpond:fleet:refused': { readonly pool: string; readonly reason: 'terms' | 'full' };
  /** The server had no place for a connection that was granted. */
  'millpond:fleet:denied': { readonly pool: string; readonly error: unknown };
}

const NAMES = ['millpond:fleet:grant', 'millpond:fleet:failure', 'millpond:fleet:refused', 'millpond:fleet:denied'] as const;
const channels = Object.fromEntries(NAMES.map((name) => [name, channel(name)])) as Record<keyof FleetMessages, Channel>;

export function tell<K extends keyof FleetMessages>(name: K, message: FleetMessages[K]): void {
  if (channels[name].hasSubscribers) channels[name].publish(message);
}
