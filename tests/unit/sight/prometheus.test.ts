import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import { localBudget, PoolClosedError } from 'millpond';
import { metricsHandler, prometheusText, registerWith } from 'millpond/prometheus';
import { keyOf, parseExposition } from '../../support/exposition.ts';
import { busy, newPools, open, shut, shutAll } from './stage.ts';

afterEach(shutAll);

/** One line of a text. */
function sample(text: string, name: string, labels: Record<string, string>): number | undefined {
  const families = parseExposition(text);
  const family = families.get(name) ?? families.get(name.replace(/_(?:bucket|sum|count)$/, ''));
  return family?.samples.get(keyOf(name, labels));
}

it('tells what a pool does, in a form that a strict reader takes', async () => {
  prometheusText();
  await busy('orders');
  const text = prometheusText();
  const told = (name: string, labels: Record<string, string> = {}): number | undefined => sample(text, name, { pool: 'orders', ...labels });
  expect(told('millpond_resources', { state: 'idle' })).toBe(1);
  expect(told('millpond_resources', { state: 'borrowed' })).toBe(1);
  expect(told('millpond_resources_max')).toBe(2);
  expect(told('millpond_resources_limit')).toBe(2);
  expect(told('millpond_waiting')).toBe(0);
  expect(told('millpond_pool_state', { state: 'open' })).toBe(1);
  expect(told('millpond_pool_state', { state: 'paused' })).toBe(0);
  expect(told('millpond_acquires_total', { outcome: 'served' })).toBe(2);
  expect(told('millpond_acquires_total', { outcome: 'timedOut' })).toBe(1);
  expect(told('millpond_acquires_total', { outcome: 'rejected' })).toBe(1);
  expect(told('millpond_rejections_total', { code: 'ERR_POOL_QUEUE_FULL' })).toBe(1);
  expect(told('millpond_creates_total')).toBe(2);
  expect(told('millpond_destroys_total', { reason: 'idleTimeout' })).toBe(0);
  expect(told('millpond_wait_seconds_count')).toBe(2);
  expect(told('millpond_wait_seconds_sum')).toBeCloseTo(0.06);
  expect(told('millpond_wait_seconds_bucket', { le: '0.025' })).toBe(0);
  expect(told('millpond_wait_seconds_bucket', { le: '0.05' })).toBe(2);
  expect(told('millpond_create_seconds_count')).toBe(2);
  expect(told('millpond_use_seconds_count')).toBe(1);
  expect(told('millpond_use_seconds_sum')).toBeCloseTo(0.2);
});

it('counts as refusals what the pool refused, no timeouts and no reasons of aborts', async () => {
  prometheusText();
  const { pool } = await busy('orders');
  const other = new PoolClosedError('closed', { code: 'ERR_POOL_CLOSED', pool: 'elsewhere', stats: pool.stats(), waitedMs: 0 });
  await expect(pool.acquire({ signal: AbortSignal.abort(other) })).rejects.toBe(other);
  await expect(pool.acquire({ signal: AbortSignal.abort('not an error') })).rejects.toBe('not an error');
  const refusals = parseExposition(prometheusText()).get('millpond_rejections_total')!;
  expect([...refusals.samples]).toEqual([[keyOf('millpond_rejections_total', { pool: 'orders', code: 'ERR_POOL_QUEUE_FULL' }), 1]]);
  expect(sample(prometheusText(), 'millpond_acquires_total', { pool: 'orders', outcome: 'aborted' })).toBe(2);
});

it('measures a pool from its first create on, though it came after the first text', async () => {
  prometheusText();
  const { clock, pool } = open('late');
  const acquired = pool.acquire();
  await clock.advance(0);
  (await acquired).release();
  expect(sample(prometheusText(), 'millpond_create_seconds_count', { pool: 'late' })).toBe(1);
});

it('gives pools of one name names of their own, escapes them, and forgets those that have closed', async () => {
  const first = open('a "b"\\\nc');
  open('a "b"\\\nc');
  expect(sample(prometheusText(), 'millpond_waiting', { pool: 'a "b"\\\nc' })).toBe(0);
  expect(sample(prometheusText(), 'millpond_waiting', { pool: 'a "b"\\\nc#2' })).toBe(0);
  await shut(first);
  expect(sample(prometheusText(), 'millpond_waiting', { pool: 'a "b"\\\nc' })).toBeUndefined();
  expect(sample(prometheusText(), 'millpond_waiting', { pool: 'a "b"\\\nc#2' })).toBe(0);
  open('a "b"\\\nc');
  expect(sample(prometheusText(), 'millpond_waiting', { pool: 'a "b"\\\nc' })).toBe(0);
});

it('tells lanes, leak suspects and what a budget grants only of pools that have them', async () => {
  const budget = localBudget({ limit: 3 });
  const { clock, pool } = open('full', {
    max: 5, budget, leakThresholdMs: 100, lanes: { web: { share: 1 }, jobs: { share: 1 } },
  });
  open('plain');
  const acquired = pool.acquire({ lane: 'jobs' });
  await clock.advance(0);
  const lease = await acquired;
  await clock.advance(100);
  const text = prometheusText();
  expect(sample(text, 'millpond_resources_limit', { pool: 'full' })).toBe(3);
  expect(sample(text, 'millpond_lane_borrowed', { pool: 'full', lane: 'jobs' })).toBe(1);
  expect(sample(text, 'millpond_lane_waiting', { pool: 'full', lane: 'web' })).toBe(0);
  expect(sample(text, 'millpond_leak_suspects', { pool: 'full' })).toBe(1);
  expect(sample(text, 'millpond_leaks_total', { pool: 'full' })).toBe(1);
  expect(text).not.toMatch(/millpond_(?:lane_\w+|leak_suspects)\{pool="plain"/);
  lease.release();
  expect(sample(prometheusText(), 'millpond_leak_suspects', { pool: 'full' })).toBe(0);
});

it('exports the pools and the buckets that it is told to, and refuses what makes no sense', async () => {
  open('seen');
  open('unseen');
  const text = prometheusText({ pools: ({ name }) => name === 'seen', bucketsMs: [20, 2_000] });
  expect(text).toContain('pool="seen"');
  expect(text).not.toContain('unseen');
  const bounds = text.matchAll(/millpond_use_seconds_bucket\{pool="seen",le="(.+)"\}/g);
  expect([...bounds].map(([, le]) => le)).toEqual(['0.02', '2', '+Inf']);
  for (const bucketsMs of [[], [1, 1], [2, 1], [0], [Number.NaN]]) expect(() => prometheusText({ bucketsMs })).toThrow(/bucketsMs/);
  expect(() => prometheusText({ bucketMs: [1] } as object)).toThrow(/did you mean bucketsMs/);
});

it('answers over HTTP', async () => {
  open('served');
  const server = createServer(metricsHandler());
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
  try {
    const answer = await fetch(url);
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(sample(await answer.text(), 'millpond_resources_max', { pool: 'served' })).toBe(2);
    const head = await fetch(url, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    const post = await fetch(url, { method: 'POST' });
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => { server.close(resolve); });
  }
});

it('gives prom-client the same families, in both of its formats, until it is stopped', async () => {
  const registry = new Registry();
  const pools = newPools();
  const stop = registerWith(registry, { pools });
  await busy('orders');
  const own = parseExposition(prometheusText({ pools }));
  const theirs = parseExposition(withoutEmpty(await registry.metrics()));
  expect([...theirs.keys()].sort()).toEqual([...own.keys()].sort());
  for (const [name, { help, type, samples }] of own) {
    expect({ name, help, type, samples: [...samples] }).toEqual({ name, help, type, samples: [...theirs.get(name)!.samples] });
  }
  const json = await registry.getMetricsAsJSON();
  expect(json.find(({ name }) => name === 'millpond_waiting')?.values).toEqual([{ labels: { pool: 'orders' }, value: 0 }]);
  registry.resetMetrics();
  const openMetrics = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>();
  openMetrics.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  registerWith(openMetrics);
  const lines = (await openMetrics.metrics()).split('\n');
  expect(lines).toContain('# TYPE millpond_creates counter');
  expect(lines).toContain('millpond_creates_total{pool="orders"} 2');
  expect(lines).toContain('millpond_acquires_total{pool="orders",outcome="timedOut"} 1');
  expect(() => registerWith(registry)).toThrow(/already been registered/);
  stop();
  expect(registry.getMetricsAsArray()).toEqual([]);
  registerWith(registry)();
});

/** prom-client writes the head of a family that has nothing to tell. */
function withoutEmpty(text: string): string {
  return text.replaceAll(/# HELP .*\n# TYPE .*\n(?=\n|$)/g, '');
}
