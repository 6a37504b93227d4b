// All that one run has found out. The table, the pictures, the page and the closing sentences are drawn from this and nothing else.
import type { Row } from './load/measure.ts';
import type { Outage } from './outage/timeline.ts';

export interface Setting {
  readonly users: number;
  readonly ioMs: number;
  readonly pauseAfterErrorMs: number;
  readonly measureMs: number;
  readonly cores: number;
  readonly cpuModel: string;
  readonly platform: string;
  readonly node: string;
  readonly postgres: string;
  readonly maxConnections: number;
  readonly date: string;
}

export interface Results {
  readonly setting: Setting;
  readonly rows: readonly Row[];
  readonly outage: Outage;
}

/** The pools, smallest first: the points of the curve. */
export function poolRows(rows: readonly Row[]): (Row & { readonly connections: number })[] {
  return rows
    .filter((row): row is Row & { connections: number } => row.kind === 'pool' && row.connections !== undefined)
    .sort((a, b) => a.connections - b.connections);
}

/** Below this, two figures of so short a run are the same. */
export const NOISE = 0.1;

/** The smallest pool whose throughput is as good as the best: what is above it buys nothing that could be told from noise. */
export function bestPool(rows: readonly Row[]): (Row & { readonly connections: number }) | undefined {
  const pools = poolRows(rows);
  const top = Math.max(...pools.map((row) => row.perSecond));
  return pools.find((row) => row.perSecond >= top * (1 - NOISE));
}
