// What several workers show as one table, and what several of them measure as one set of metrics. Pure.

import { show, type Answer, type Table } from '../admin/table.ts';
import type { Family, Sample } from '../http/exposition.ts';
import type { Cell } from '../wire/pg/write.ts';

interface Rule {
  /** Columns that say what a row is about; other than these and the sums a row is as the first one says. */
  readonly keys: readonly string[];
  readonly sums: readonly string[];
}

const POOL_SUMS = [
  'cl_active', 'cl_waiting', 'cl_active_cancel_req', 'cl_waiting_cancel_req', 'sv_active', 'sv_active_cancel', 'sv_being_canceled',
  'sv_idle', 'sv_used', 'sv_tested', 'sv_login',
];

/** Tables whose rows are about the same things in every worker. All others are put one below the other. */
const RULES: Readonly<Record<string, Rule>> = {
  pools: { keys: ['database', 'user'], sums: POOL_SUMS },
  databases: { keys: ['name'], sums: ['current_connections', 'current_client_connections'] },
  users: { keys: ['name'], sums: ['current_connections', 'current_client_connections'] },
  lists: { keys: ['list'], sums: ['items'] },
  mem: { keys: ['name'], sums: ['size', 'used', 'free', 'memtotal'] },
};

/** Lists that every worker has the same things in. */
const SAME: ReadonlySet<Cell> = new Set(['databases', 'users', 'peers', 'pools']);

/** The answers of all workers to one SHOW. */
export function sumTables(what: string, answers: readonly Answer[]): Answer {
  const tables = answers.map(({ table }) => table).filter((table) => table !== undefined);
  const [first] = tables;
  if (first === undefined) return answers[0] ?? { tag: 'SHOW' };
  const rule = RULES[what];
  const rows = rule === undefined ? tables.flatMap((table) => table.rows) : sumRows(what, rule, tables);
  return { table: { columns: first.columns, rows }, tag: 'SHOW' };
}

function sumRows(what: string, { keys, sums }: Rule, tables: readonly Table[]): Cell[][] {
  const names = tables[0]!.columns.map(([name]) => name);
  const at = (name: string): number => names.indexOf(name);
  const rows = new Map<string, Cell[]>();
  for (const row of tables.flatMap((table) => table.rows)) {
    const key = JSON.stringify(keys.map((name) => row[at(name)]));
    const known = rows.get(key);
    if (known === undefined) {
      rows.set(key, [...row]);
      continue;
    }
    const same = what === 'lists' && SAME.has(row[0]);
    for (const name of sums.filter((each) => names.includes(each))) known[at(name)] = together(known[at(name)], row[at(name)], same);
    if (what === 'pools' && waitUs(row, at) > waitUs(known, at)) for (const name of WAITS) known[at(name)] = row[at(name)];
  }
  const all = [...rows.values()];
  return what === 'pools' || what === 'databases' || what === 'users' ? all.sort(byKeys) : all;
}

/** What is the same everywhere may not have been seen by all of them. */
function together(a: Cell, b: Cell, same: boolean): number {
  return same ? Math.max(Number(a), Number(b)) : Number(a) + Number(b);
}

const WAITS = ['maxwait', 'maxwait_us'] as const;

function waitUs(row: readonly Cell[], at: (name: string) => number): number {
  return Number(row[at('maxwait')]) * 1_000_000 + Number(row[at('maxwait_us')]);
}

function byKeys([a, b]: readonly Cell[], [c, d]: readonly Cell[]): number {
  return compare(String(a), String(c)) || compare(String(b), String(d));
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** SHOW LISTS, with as many databases and pools as the sums of SHOW DATABASES and SHOW POOLS have. */
export function withCounts(lists: Answer, counts: ReadonlyMap<string, number>): Answer {
  return show('list items:int4', lists.table!.rows.map(([list, items]) => [list, counts.get(String(list)) ?? items]));
}

/** What is not a sum: the same in all of them, or the most of any. */
const MOST = /^pgbouncer_(?:up|version_info|config_\w+|databases|users|pools|pools_client_maxwait_seconds)$/;
const MOST_OF_DATABASES = /^pgbouncer_databases_(?:pool_size|reserve_pool|max_connections|paused|disabled)$/;
const MOST_OF_ALL = /^millpond_proxy_(?:uptime_seconds|paused)$/;

export function sumFamilies(workers: readonly (readonly Family[])[]): Family[] {
  const families = new Map<string, { readonly family: Family; readonly samples: Map<string, Sample> }>();
  for (const family of workers.flat()) {
    const most = [MOST, MOST_OF_DATABASES, MOST_OF_ALL].some((names) => names.test(family.name));
    const { samples } = families.get(family.name) ?? { samples: new Map<string, Sample>() };
    families.set(family.name, { family: families.get(family.name)?.family ?? family, samples });
    for (const sample of family.samples) {
      const key = JSON.stringify([sample.suffix, sample.labels]);
      const before = samples.get(key)?.value;
      const value = before === undefined ? sample.value : most ? Math.max(before, sample.value) : before + sample.value;
      samples.set(key, { ...sample, value });
    }
  }
  const pools = families.get('pgbouncer_pools_client_active_connections')?.samples.size;
  return [...families.values()].map(({ family, samples }) => {
    const all = [...samples.values()];
    // Each may have pools that the others have not.
    const counted = family.name === 'pgbouncer_pools' && pools !== undefined ? all.map((sample) => ({ ...sample, value: pools })) : all;
    return { ...family, samples: counted };
  });
}

/** Of a worker that has gone: what only grows must not become less with it. */
export function lasting(families: readonly Family[]): Family[] {
  return families.filter(({ type }) => type !== 'gauge');
}
