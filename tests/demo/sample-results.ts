// Results as a run might have given them, for the tests of what is made of results.
import type { Row } from '../../lab/src/demo/load/measure.ts';
import type { Outage, Sample } from '../../lab/src/demo/outage/timeline.ts';
import type { Results } from '../../lab/src/demo/results.ts';

export function row(over: Partial<Row>): Row {
  return {
    name: 'millpond, 10 connections', kind: 'pool', connections: 10, seconds: 3, ok: 9000, perSecond: 3000,
    latency: { p50: 331, p95: 414, p99: 436, mean: 333 }, errors: 0, errorKinds: [], opened: 10, timeWait: 10,
    cpu: { wallMs: 3000, clientMs: 1800, serverMs: 3200, livingOnly: false }, split: { waitMs: 328, useMs: 3.2 }, ...over,
  };
}

export function pool(connections: number, perSecond: number, useMs: number): Row {
  return row({
    name: `millpond, ${connections} connections`, connections, opened: connections, perSecond, ok: perSecond * 3,
    latency: { p50: 1e6 / perSecond, p95: 1.1e6 / perSecond, p99: 1.2e6 / perSecond, mean: 1e6 / perSecond },
    split: { waitMs: 1e6 / perSecond - useMs, useMs },
  });
}

export function rows(): Row[] {
  return [
    row({
      name: 'a connection per request', kind: 'each', connections: undefined, perSecond: 30, ok: 90, errors: 2910, opened: 99,
      split: undefined, timeWait: 1400,
      errorKinds: [['sorry, too many clients already (53300)', 2910]],
    }),
    row({ name: 'the same, 90 at a time', kind: 'eachLimited', connections: 90, perSecond: 90, ok: 270, opened: 450, split: undefined }),
    row({ name: 'one shared connection', kind: 'shared', connections: 1, perSecond: 300, opened: 1, split: undefined }),
    pool(2, 600, 3.2), pool(5, 1500, 3.3), pool(10, 2900, 3.4), pool(20, 3000, 6.6), pool(50, 2800, 18), pool(90, 2100, 43),
  ];
}

/** Calm until 3 s, down until 4.8 s, answers again from 5 s on, all at once or slowly. */
export function outageResult(over: Partial<Outage> = {}, slowly = false): Outage {
  const samples: Sample[] = Array.from({ length: 90 }, (_, index) => {
    const atMs = (index + 1) * 100;
    const down = atMs > 3000 && atMs <= 5000;
    const ok = down ? 0 : slowly && atMs > 5000 && atMs <= 6000 ? 100 : 250;
    return {
      atMs, spanMs: 100, ok, errors: atMs === 3100 ? 10 : 0, connections: down ? 0 : 10,
      connecting: down ? 2 : 0, waiting: down ? 1000 : 990, state: 'open',
    };
  });
  return {
    samples, events: { killedMs: 3000, restartedMs: 4500, upMs: 4800, firstOkMs: 5000 }, users: 1000, size: 10, maxCreating: 2,
    attempts: { peak: 2, total: 31 }, errors: 10, errorKinds: [['Connection terminated unexpectedly', 10]], uncaught: 0, ...over,
  };
}

export function results(over: Partial<Results> = {}): Results {
  return {
    setting: {
      users: 1000, ioMs: 1, pauseAfterErrorMs: 1000, measureMs: 3000, cores: 2, cpuModel: 'A <fast> processor',
      platform: 'linux x64', node: '20.20.2', postgres: '18.4', maxConnections: 100, date: '2026-01-31',
    },
    rows: rows(), outage: outageResult(), ...over,
  };
}
