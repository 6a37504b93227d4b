// What the proxy tells Prometheus: the names that dashboards of pgbouncer_exporter look for, and, under names of its own, what that has no
// names for. Families are made anew at each reading, from the same figures that the console shows.

import { databaseFigures } from '../admin/commands/show-databases.ts';
import { listCounts } from '../admin/commands/show-lists.ts';
import { poolFigures, type PoolFigures } from '../admin/commands/show-pools.ts';
import { VERSION } from '../admin/commands/show-version.ts';
import type { Proxy } from '../proxy.ts';
import type { Counts, PoolRecord } from '../stats/counts.ts';
import { BOUNDS_MS, type Spread } from '../stats/spread.ts';
import type { Family, Sample } from './exposition.ts';

type Labels = Sample['labels'];

/** Of a pool, by the exporter's name. */
const POOLS: readonly (readonly [name: string, help: string, read: (pool: PoolFigures) => number])[] = [
  ['client_active_connections', 'Clients that are connected and do not wait.', (pool) => pool.clientsActive],
  ['client_waiting_connections', 'Clients that wait for a server connection.', (pool) => pool.clientsWaiting],
  ['client_active_cancel_connections', 'Cancel requests that have been sent to a server.', (pool) => pool.cancels],
  ['client_waiting_cancel_connections', 'Cancel requests that wait; none ever does.', () => 0],
  ['server_active_connections', 'Server connections that are lent to a client.', ({ servers }) => servers.active],
  ['server_active_cancel_connections', 'Connections to servers that carry a cancel request.', (pool) => pool.cancels],
  [
    'server_being_canceled_connections', 'Server connections that wait for the end of a cancel request.',
    ({ servers }) => servers.being_canceled,
  ],
  ['server_idle_connections', 'Server connections that could be lent at once.', ({ servers }) => servers.idle],
  ['server_used_connections', 'Server connections that are checked before they are lent.', ({ servers }) => servers.used],
  ['server_testing_connections', 'Server connections that are reset or checked at the moment.', ({ servers }) => servers.tested],
  ['server_login_connections', 'Server connections that are being made.', (pool) => pool.logins],
  ['client_maxwait_seconds', 'How long the client at the head of the line has been waiting.', (pool) => pool.maxWaitMs / 1000],
];

/** Of a database, as counters. */
const STATS: readonly (readonly [name: string, help: string, read: (counts: Counts) => number])[] = [
  ['queries_pooled_total', 'Queries of clients.', (counts) => counts.queries],
  ['queries_duration_seconds_total', 'How long queries took at servers.', (counts) => counts.queryMs / 1000],
  ['received_bytes_total', 'Bytes from clients.', (counts) => counts.received],
  ['sent_bytes_total', 'Bytes to clients.', (counts) => counts.sent],
  ['client_wait_seconds_total', 'How long clients waited for server connections.', (counts) => counts.waitMs / 1000],
  ['sql_transactions_pooled_total', 'Transactions of clients.', (counts) => counts.transactions],
  ['server_in_transaction_seconds_total', 'How long transactions took, idle times included.', (counts) => counts.transactionMs / 1000],
  ['server_assignments_total', 'How often a client got a server connection.', (counts) => counts.serverAssignments],
  ['client_parses_total', 'Prepared statements of clients.', (counts) => counts.clientParses],
  ['server_parses_total', 'Prepared statements that had to be made at a server.', (counts) => counts.serverParses],
  ['binds_total', 'Uses of prepared statements.', (counts) => counts.binds],
];

/** Of SHOW LISTS, by the exporter's name. */
const LISTS: Readonly<Record<string, string>> = {
  databases: 'databases', users: 'users', pools: 'pools', free_clients: 'free_clients', used_clients: 'used_clients',
  login_clients: 'login_clients', free_servers: 'free_servers', used_servers: 'used_servers', dns_names: 'cached_dns_names',
  dns_zones: 'cached_dns_zones', dns_queries: 'in_flight_dns_queries',
};

export function familiesOf(proxy: Proxy): Family[] {
  return [...wholes(proxy), ...ofPools(proxy), ...ofDatabases(proxy), ...ofStatistics(proxy), ...ownFamilies(proxy)];
}

function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, help, type: 'gauge', samples };
}

function wholes(proxy: Proxy): Family[] {
  const { values } = proxy.config;
  const one = (name: string, help: string, value: number, labels: Labels = {}): Family => gauge(name, help, [{ labels, value }]);
  return [
    one('pgbouncer_up', 'The proxy answers.', 1),
    one('pgbouncer_version_info', 'Which version it is.', 1, { version: VERSION }),
    one('pgbouncer_config_max_client_connections', 'Clients that may be connected.', values.max_client_conn),
    one('pgbouncer_config_max_user_connections', 'Server connections that a user may have; 0: no limit.', values.max_user_connections),
    ...listCounts(proxy).filter(([list]) => LISTS[list] !== undefined)
      .map(([list, items]) => one(`pgbouncer_${LISTS[list]}`, `As SHOW LISTS counts ${list}.`, items)),
  ];
}

function ofPools(proxy: Proxy): Family[] {
  const figures = poolFigures(proxy);
  return POOLS.map(([name, help, read]) => gauge(`pgbouncer_pools_${name}`, help, figures.map((pool) => ({
    labels: { database: pool.database, user: pool.user }, value: read(pool),
  }))));
}

function ofDatabases(proxy: Proxy): Family[] {
  const { values } = proxy.config;
  const all = databaseFigures(proxy).map((figures) => {
    const { config, dbname } = figures.database;
    const labels = {
      name: config.name, host: config.hosts.join(','), port: String(config.port), database: dbname, force_user: config.user ?? '',
      pool_mode: config.poolMode ?? '',
    };
    return { figures, labels, config };
  });
  const family = (name: string, help: string, read: (each: (typeof all)[number]) => number): Family =>
    gauge(`pgbouncer_databases_${name}`, help, all.map((each) => ({ labels: each.labels, value: read(each) })));
  return [
    family('pool_size', 'Server connections that a pool may have.', ({ config }) => config.poolSize ?? values.default_pool_size),
    family('reserve_pool', 'Further ones when somebody waits for long.', ({ config }) => config.reservePoolSize
      ?? values.reserve_pool_size),
    family('max_connections', 'Server connections of all its pools; 0: no limit.', ({ config }) => config.maxDbConnections
      ?? values.max_db_connections),
    family('current_connections', 'Server connections that there are.', ({ figures }) => figures.servers),
    family('current_client_connections', 'Clients that are connected.', ({ figures }) => figures.clients),
    family('paused', '1 while it is paused.', ({ figures }) => Number(figures.database.paused)),
    family('disabled', '1 while it is disabled.', ({ figures }) => Number(figures.database.disabled)),
  ];
}

function ofStatistics({ statistics }: Proxy): Family[] {
  const databases = statistics.byDatabase(performance.now());
  return STATS.map(([name, help, read]) => ({
    name: `pgbouncer_stats_${name}`, help, type: 'counter',
    samples: databases.map(({ database, totals }) => ({ labels: { database }, value: read(totals) })),
  }));
}

/** What the exporter has no names for: how times are spread, and why clients got errors. */
function ownFamilies({ statistics, startedAt, router }: Proxy): Family[] {
  const records = [...statistics.records()];
  const labelsOf = ({ database, user }: PoolRecord): Labels => ({ database, user });
  const errors = [
    ...records.flatMap((record) => [...record.errors].map(([cause, value]) => ({ labels: { ...labelsOf(record), cause }, value }))),
    ...[...statistics.errors].map(([cause, value]) => ({ labels: { database: '', user: '', cause }, value })),
  ];
  return [
    gauge('millpond_proxy_uptime_seconds', 'Since the start.', [{ labels: {}, value: (performance.now() - startedAt) / 1000 }]),
    gauge('millpond_proxy_paused', '1 while everything is paused or suspended.', [{ labels: {}, value: Number(router.mode !== 'active') }]),
    { name: 'millpond_proxy_errors_total', help: 'Errors that clients got from the proxy, by cause.', type: 'counter', samples: errors },
    histogram('millpond_proxy_client_wait_seconds', 'Waits for a server connection.', records, labelsOf, ({ waits }) => waits),
    histogram('millpond_proxy_transaction_seconds', 'Transactions.', records, labelsOf, ({ transactions }) => transactions),
  ];
}

function histogram(
  name: string, help: string, records: readonly PoolRecord[], labelsOf: (record: PoolRecord) => Labels,
  read: (record: PoolRecord) => Spread,
): Family {
  const samples = records.flatMap((record): Sample[] => {
    const labels = labelsOf(record);
    const spread = read(record);
    const counts = spread.cumulative();
    const all = counts.at(-1)!;
    return [
      ...counts.map((value, step) => ({
        suffix: '_bucket', labels: { ...labels, le: step < BOUNDS_MS.length ? String(BOUNDS_MS[step]! / 1000) : '+Inf' }, value,
      })),
      { suffix: '_sum', labels, value: spread.sumMs / 1000 },
      { suffix: '_count', labels, value: all },
    ];
  });
  return { name, help, type: 'histogram', samples };
}
