// The child process in which one contender is measured: opens it, puts it under load, closes it, as it is told.
import { countAttempts } from '../../demo/meters/attempts.ts';
import { serve } from '../harness/station.ts';
import { connects, type ConnectOptions } from './connects.ts';
import { contenderOf } from './contenders/all.ts';
import type { Opened, Place } from './contenders/contender.ts';
import { cpuOf } from './cpu-of.ts';
import { load, type LoadOptions } from './load.ts';
import type { Moments } from './recovery.ts';
import { Siege, type SiegeOptions } from './siege.ts';

export type Order =
  | { readonly do: 'open'; readonly id: string; readonly place: Place; readonly size: number }
  | { readonly do: 'load'; readonly options: LoadOptions }
  | { readonly do: 'close' }
  | { readonly do: 'connects'; readonly options: ConnectOptions }
  | { readonly do: 'besiege'; readonly options: SiegeOptions }
  | { readonly do: 'recovered'; readonly moments: Moments }
  | { readonly do: 'relieve' };

/** What opening all connections took. */
export interface Opening {
  readonly wallMs: number;
  readonly clientMs: number;
  /** Connects under way at once, at most, and in all; over a Unix socket they are not counted. */
  readonly peak: number;
  readonly total: number;
}

let opened: Opened | undefined;
let siege: Siege | undefined;

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'open': return open(order.id, order.place, order.size);
    case 'load': return load(current().asks[order.options.statement], order.options);
    case 'close': {
      const closing = current();
      opened = undefined;
      return closing.close();
    }
    case 'connects': return connects(order.options);
    case 'besiege': {
      siege = new Siege(current().asks.byKey, order.options);
      siege.begin();
      return undefined;
    }
    case 'recovered': return siege?.hasRecovered(order.moments);
    case 'relieve': return siege?.end();
  }
}

async function open(id: string, place: Place, size: number): Promise<Opening> {
  const attempts = countAttempts(place.port);
  try {
    const cpu = cpuOf();
    opened = await contenderOf(id).open(place, size);
    return { ...cpu(), peak: attempts.peak, total: attempts.total };
  } finally {
    attempts.stop();
  }
}

function current(): Opened {
  if (opened === undefined) throw new Error('Nothing is open.');
  return opened;
}

serve(obey);
