// Whoever writes the name of a metric outside of the code (a dashboard, the guide) must write one that is really exported.

import { readFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { prometheusText } from 'millpond/prometheus';
import { METRICS, TIMINGS } from '../../packages/millpond/src/sight/catalog.ts';
import { parseExposition } from '../support/exposition.ts';
import { busy, shutAll } from '../unit/sight/stage.ts';

afterEach(shutAll);

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource: unknown;
  readonly targets: readonly { readonly refId: string; readonly expr: string; readonly datasource: unknown }[];
}

interface Dashboard {
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: string | { readonly query: string } }[] };
}

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** The labels of every line that is exported of a pool that has everything, by name. */
async function exported(): Promise<Map<string, Set<string>>> {
  prometheusText();
  await busy('orders', { leakThresholdMs: 100, lanes: { default: { share: 1 }, jobs: { share: 1 } } });
  const labels = new Map<string, Set<string>>();
  for (const { samples } of parseExposition(prometheusText()).values()) {
    for (const key of samples.keys()) {
      const [name] = key.split('{') as [string];
      const known = labels.get(name) ?? new Set();
      for (const [, label] of key.matchAll(/[{,](\w+)="/g)) known.add(label!);
      labels.set(name, known);
    }
  }
  return labels;
}

/** The names in a text, each with the labels by which it is chosen. */
function namesIn(text: string): { readonly name: string; readonly labels: string[] }[] {
  return [...text.matchAll(/\b(millpond_\w+)(?:\{([^}]*)\})?/g)].map(([, name, matchers = '']) =>
    ({ name: name!, labels: [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label!) }));
}

it('has a dashboard of what is really exported, and of nothing else', async () => {
  const known = await exported();
  const { panels, templating } = JSON.parse(read('packages/millpond/dashboards/grafana.json')) as Dashboard;
  const expressions = [
    ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...templating.list.map(({ query }) => typeof query === 'string' ? query : query.query),
  ];
  for (const expression of expressions) {
    const found = namesIn(expression);
    for (const { name, labels } of found) {
      expect([...known.keys()], expression).toContain(name);
      expect([...known.get(name)!], expression).toEqual(expect.arrayContaining(labels));
    }
    const by = [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(', '));
    if (by.length > 0) expect([...known.get(found[0]!.name)!], expression).toEqual(expect.arrayContaining(by));
  }
  expect(expressions.flatMap((expression) => namesIn(expression)).length).toBeGreaterThan(20);
});

it('has a dashboard that Grafana takes: ids, places, queries and variables', () => {
  const { uid, panels, templating } = JSON.parse(read('packages/millpond/dashboards/grafana.json')) as Dashboard;
  expect(uid).toMatch(/^[\w-]{1,40}$/);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  const variables = templating.list.map(({ name }) => name);
  expect(new Set(variables).size).toBe(variables.length);
  const taken = new Set<string>();
  for (const { title, gridPos: { x, y, w, h }, datasource, targets } of panels) {
    expect(x + w, title).toBeLessThanOrEqual(24);
    for (let column = x; column < x + w; column++) {
      for (let row = y; row < y + h; row++) {
        expect(taken.has(`${column} ${row}`), `${title} covers another panel`).toBe(false);
        taken.add(`${column} ${row}`);
      }
    }
    expect(new Set(targets.map(({ refId }) => refId)).size, title).toBe(targets.length);
    for (const { expr, datasource: own } of targets) {
      expect(own).toEqual(datasource);
      expect(expr.split('(').length, expr).toBe(expr.split(')').length);
      const used = [...`${expr}${JSON.stringify(own)}`.matchAll(/\$\{?(?!__)(\w+)/g)].map(([, name]) => name!);
      expect(variables, expr).toEqual(expect.arrayContaining(used));
    }
  }
});

it('has a guide that names what is exported, all of it, and nothing else', async () => {
  const known = await exported();
  const guide = read('docs/guide/metrics.md');
  const families = [...known.keys()].map((name) => name.replace(/_(?:bucket|sum|count)$/, ''));
  const named = namesIn(guide);
  for (const { name, labels } of named) {
    expect([...known.keys(), ...families], `the guide names ${name}`).toContain(name);
    expect([...known.get(name) ?? known.get(`${name}_bucket`)!], name).toEqual(expect.arrayContaining(labels));
  }
  const names = named.map(({ name }) => name);
  for (const family of families) expect(names, `the guide does not name ${family}`).toContain(family);
  const dotted = [...guide.matchAll(/`millpond\.(\w+)`/g)].map(([, name]) => name!);
  const beyond = METRICS.map(({ name }) => name).filter((name) => !['resources_max', 'resources_min', 'waiting'].includes(name));
  expect([...new Set(dotted)].sort()).toEqual([...beyond, 'acquire'].sort());
  expect(TIMINGS.map(({ name }) => `db.client.connection.${name}_time`).every((name) => guide.includes(`\`${name}\``))).toBe(true);
});
