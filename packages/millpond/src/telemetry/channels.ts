// The events of every pool on node:diagnostics_channel, for whoever wants to watch a process without touching its code: the channel of an
// event is `millpond:<event>`, its message the event with the pool's name as `pool`. Without a subscriber a publish is one property read.

import { channel, type Channel } from 'node:diagnostics_channel';
import { POOL_EVENTS, type PoolEventName } from '../events.ts';

export const channels: Readonly<Record<PoolEventName, Channel>> = Object.fromEntries(
  POOL_EVENTS.map((event) => [event, channel(`millpond:${event}`)]),
) as Record<PoolEventName, Channel>;
