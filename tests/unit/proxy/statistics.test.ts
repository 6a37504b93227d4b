// What is counted, and what it comes to.

import { expect, it } from 'vitest';
import { causeOf } from '../../../packages/proxy/src/stats/causes.ts';
import { Meter } from '../../../packages/proxy/src/stats/counts.ts';
import { BOUNDS_MS, Spread } from '../../../packages/proxy/src/stats/spread.ts';
import { Statistics, statsLine } from '../../../packages/proxy/src/stats/statistics.ts';

it('counts a transaction once, and each of its queries', () => {
  const record = new Statistics(0).of('shop', 'alice');
  const meter = new Meter(record);
  meter.served(5);
  for (const outside of [false, false, true]) {
    meter.asked();
    meter.asked();
    meter.answered(outside);
  }
  meter.answered(true);
  expect(record.counts).toMatchObject({ serverAssignments: 1, waitMs: 5, transactions: 1, queries: 3 });
  expect(record.transactions.cumulative().at(-1)).toBe(1);
  expect(record.counts.transactionMs).toBeGreaterThanOrEqual(record.counts.queryMs);
});

it('averages over the time since the last end of a period but one', () => {
  const statistics = new Statistics(10_000);
  const { counts } = statistics.of('shop', 'alice');
  counts.queries = 100;
  counts.queryMs = 500;
  expect(statistics.all(10_000).averages.queries).toBe(100);
  statistics.endPeriod(20_000);
  counts.queries += 50;
  counts.queryMs += 25;
  // Both periods: from 10 s to 25 s.
  expect(statistics.all(25_000).averages).toMatchObject({ queries: 10, queryMs: 3.5 });
  // The first has gone: from 20 s to 30 s.
  expect(statistics.endPeriod(30_000)).toMatchObject({ queries: 5, queryMs: 0.5 });
  expect(statistics.endPeriod(40_000)).toMatchObject({ queries: 0, queryMs: 0 });
});

it('sums what users of a database do, and logs it in one line', () => {
  const statistics = new Statistics(0);
  statistics.of('shop', 'alice').counts.received = 3;
  statistics.of('stock', 'alice').counts.received = 4;
  statistics.of('shop', 'bob').counts.received = 5;
  expect(statistics.byDatabase(0).map(({ database, totals }) => [database, totals.received])).toEqual([['shop', 8], ['stock', 4]]);
  expect(statsLine(statistics.all(0).averages)).toBe('stats: 0 xacts/s, 0 queries/s, 0 client parses/s, 0 server parses/s, 0 binds/s, '
    + 'in 12 B/s, out 0 B/s, xact 0 us, query 0 us, wait 0 us');
});

it('knows how many took no longer than each bound', () => {
  const spread = new Spread();
  for (const ms of [0, 1, 1.5, 1e9]) spread.record(ms);
  const counts = spread.cumulative();
  expect(counts).toHaveLength(BOUNDS_MS.length + 1);
  expect(counts[BOUNDS_MS.indexOf(0.1)]).toBe(1);
  expect(counts[BOUNDS_MS.indexOf(1)]).toBe(2);
  expect(counts[BOUNDS_MS.indexOf(2.5)]).toBe(3);
  expect(counts[BOUNDS_MS.indexOf(60_000)]).toBe(3);
  expect(counts.at(-1)).toBe(4);
});

it.each([
  ['query_wait_timeout', 'query_wait_timeout'],
  ['query timeout', 'query_timeout'],
  ['password authentication failed', 'authentication'],
  ['no such user: bob', 'authentication'],
  ['no more connections allowed (max_client_conn)', 'limit'],
  ['no such database: shop', 'unknown_database'],
  ['server login has been failing, last error: connect ECONNREFUSED', 'server_login'],
  ['server conn crashed?', 'server_lost'],
  ['bad packet', 'protocol'],
  ['admin forced disconnect', 'killed'],
  ['pgbouncer is shutting down', 'shutdown'],
  ['whatever else', 'other'],
])('counts %j as %s', (message, cause) => {
  expect(causeOf(message)).toBe(cause);
});
