// What the proxy tells machines: metrics, health, and logs that are JSON.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseExposition } from '../support/exposition.ts';
import { startBouncer, startPostgres, type Bouncer, type PostgresServer } from './bouncer.ts';

let server: PostgresServer;
beforeAll(async () => { server = await startPostgres(); });
afterAll(() => server.stop());

/** Opens the port and returns what asks there. */
async function door({ proxy }: Bouncer): Promise<(path: string, method?: string) => Promise<{ status: number; body: string }>> {
  const port = await proxy.listenHttp();
  return async (path, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
    return { status: response.status, body: await response.text() };
  };
}

it('tells what the exporter tells, and more, in the format of Prometheus', async () => {
  await using bouncer = await startBouncer(server);
  const ask = await door(bouncer);
  const client = bouncer.client();
  await client.connect();
  await client.query('BEGIN');
  await client.query('SELECT pg_sleep(0.02)');
  await client.query('COMMIT');
  await expect(bouncer.client({ database: 'nowhere' }).connect()).rejects.toThrow('no such database');
  await client.query('BEGIN');
  const families = parseExposition((await ask('/metrics')).body);
  const value = (name: string, labels: string): number | undefined => families.get(name)?.samples.get(`${name}{${labels}}`);
  const pool = `database="main",user="${server.user}"`;
  expect(value('pgbouncer_up', '')).toBe(1);
  expect(value('pgbouncer_pools_server_active_connections', pool)).toBe(1);
  expect(value('pgbouncer_pools_client_active_connections', pool)).toBe(1);
  expect(value('pgbouncer_stats_queries_pooled_total', 'database="main"')).toBe(4);
  expect(value('pgbouncer_stats_sql_transactions_pooled_total', 'database="main"')).toBe(2);
  expect(value('pgbouncer_stats_queries_duration_seconds_total', 'database="main"')).toBeGreaterThan(0.02);
  const errors = [...families.get('millpond_proxy_errors_total')!.samples];
  expect(errors).toEqual([['millpond_proxy_errors_total{cause="unknown_database",database="",user=""}', 1]]);
  const spread = families.get('millpond_proxy_transaction_seconds')!.samples;
  expect(spread.get(`millpond_proxy_transaction_seconds_count{${pool}}`)).toBe(1);
  expect(spread.get(`millpond_proxy_transaction_seconds_bucket{database="main",le="0.01",user="${server.user}"}`)).toBe(0);
  await client.query('ROLLBACK');
  await client.end();
});

it('escapes the names of databases', async () => {
  const name = 'a\\b""c';
  await using bouncer = await startBouncer(server, [], [`"${name}" = host=${server.host} port=${server.port} dbname=${server.database}`]);
  const ask = await door(bouncer);
  const { body } = await ask('/metrics');
  expect(body).toContain(String.raw`pgbouncer_databases_paused{name="a\\b\"c"`);
  parseExposition(body);
});

it('says that it is up, and whether clients should come', async () => {
  await using bouncer = await startBouncer(server);
  const ask = await door(bouncer);
  expect(await ask('/healthz')).toEqual({ status: 200, body: 'ok\n' });
  expect(await ask('/readyz')).toEqual({ status: 200, body: 'ready\n' });
  await bouncer.admin('PAUSE');
  expect(await ask('/readyz')).toEqual({ status: 503, body: 'paused\n' });
  expect((await ask('/healthz')).status).toBe(200);
  await bouncer.admin('RESUME');
  const client = bouncer.client();
  await client.connect();
  const closed = bouncer.proxy.close({ wait: 'clients' });
  expect(await ask('/readyz')).toEqual({ status: 503, body: 'shutting down\n' });
  await client.end();
  await closed;
  await expect(ask('/healthz')).rejects.toThrow();
});

it('answers nothing else, and does nothing', async () => {
  await using bouncer = await startBouncer(server);
  const ask = await door(bouncer);
  expect((await ask('/')).status).toBe(404);
  expect((await ask('/metrics', 'POST')).status).toBe(405);
  expect(await ask('/metrics?x=1', 'HEAD')).toEqual({ status: 200, body: '' });
});

it('says that a port for it is taken', async () => {
  await using first = await startBouncer(server);
  const port = await first.proxy.listenHttp();
  await expect(startBouncer(server, [`http_port = ${port}`])).rejects.toThrow('EADDRINUSE');
});

it('logs an object of JSON per line, and figures at the end of each period', async () => {
  await using bouncer = await startBouncer(server, ['log_format = json', 'stats_period = 0.05']);
  await bouncer.admin('SHOW VERSION');
  const lines = (): { level: string; pid: number; message: string }[] =>
    readFileSync(join(bouncer.folder, 'log'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as never);
  const toldFigures = (): boolean => lines().some(({ level, message }) => level === 'info' && message.startsWith('stats: 0 xacts/s, '));
  await expect.poll(toldFigures, { timeout: 20_000 }).toBe(true);
  expect(lines().every(({ pid }) => pid === process.pid)).toBe(true);
  bouncer.rewrite(['log_format = text', 'stats_period = 0']);
  await expect(bouncer.admin('DISABLE')).rejects.toThrow('a database is required');
  expect(readFileSync(join(bouncer.folder, 'log'), 'utf8')).toMatch(/^\d{4}-\d\d-\d\d .* UTC \[\d+\] ERROR a database is required$/m);
});

it('has a dashboard of what is really exported', async () => {
  await using bouncer = await startBouncer(server);
  const ask = await door(bouncer);
  await expect(bouncer.client({ database: 'nowhere' }).connect()).rejects.toThrow('no such database');
  const client = bouncer.client();
  await client.connect();
  await client.query('SELECT 1');
  const names = new Map<string, Set<string>>();
  for (const { samples } of parseExposition((await ask('/metrics')).body).values()) {
    for (const key of samples.keys()) {
      const labels = [...key.matchAll(/[{,](\w+)="/g)].map(([, label]) => label!);
      names.set(key.split('{')[0]!, new Set(labels));
    }
  }
  const file = new URL('../../packages/proxy/dashboards/grafana.json', import.meta.url);
  const { panels, templating } = JSON.parse(readFileSync(file, 'utf8')) as {
    panels: { title: string; targets: { expr: string }[] }[]; templating: { list: { query: string | { query: string } }[] };
  };
  const expressions = [
    ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...templating.list.map(({ query }) => (typeof query === 'string' ? query : query.query)).filter((query) => query !== 'prometheus'),
  ];
  expect(expressions.length).toBeGreaterThan(10);
  for (const expression of expressions) {
    const found = [...expression.matchAll(/\b((?:pgbouncer|millpond_proxy)_\w+)(?:\{([^}]*)\})?/g)];
    expect(found.length, expression).toBeGreaterThan(0);
    for (const [, name, matchers = ''] of found) {
      expect([...names.keys()], expression).toContain(name);
      const chosen = [...matchers.matchAll(/(\w+)\s*=~?/g)].map(([, label]) => label!);
      const by = [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(', '));
      expect([...names.get(name!)!], expression).toEqual(expect.arrayContaining([...chosen, ...by]));
    }
  }
  await client.end();
});
