// All that one run has found out. The table, the pictures, the page and the closing sentences are drawn from this and nothing else.
import type { Row } from './load/measure.ts';
import type { Outage } from './outage/timeline.ts';

export interface Setting {
  readonly users: number;
  readonly ioMs: number;
  readonly pauseAfterErrorMs: number;
  readonly measureMs: number;
  readonly quick: boolean;
  readonly cores: number;
  readonly cpuModel: string;
  readonly memoryBytes: number;
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

/** The pool with the highest throughput; of several within `tolerance` of it the smallest, since the difference is noise. */
export function bestPool(rows: readonly Row[], tolerance = 0.03): (Row & { readonly connections: number }) | undefined {
  const pools = poolRows(rows);
  const top = Math.max(...pools.map((row) => row.perSecond));
  return pools.find((row) => row.perSecond >= top * (1 - tolerance));
}
