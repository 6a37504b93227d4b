// The page: one file that needs no network, no script and no font. Everything in it comes from the results.
import { COLUMNS } from '../columns.ts';
import { axisDuration, count, duration, plural, short } from '../../drawing/format.ts';
import type { Row } from '../load/measure.ts';
import { bestPool, poolRows, type Results } from '../results.ts';
import { closing, notes } from '../words.ts';
import { curveChart, type Series } from './curve-chart.ts';
import { element, raw, type Markup } from '../../drawing/markup.ts';
import { outageChart } from './outage-chart.ts';
import { STYLE_SHEET } from '../../drawing/style-sheet.ts';

export const READ_ON = 'Read on: README.md for the first minute, ARCHITECTURE.md for the life of one acquire, docs/ for each option and ' +
  'each error.';

export function page(results: Results): string {
  const { setting, rows, outage } = results;
  const kinds = outage.errorKinds.slice(0, 4).map(([kind, times]) => `${count(times)} × ${kind}`).join('; ');
  const html = element('html', { lang: 'en' },
    element('head', {},
      element('meta', { charset: 'utf-8' }),
      element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
      element('title', {}, 'millpond: what a connection pool is for'),
      element('style', {}, raw(STYLE_SHEET))),
    element('body', {}, element('main', {},
      element('h1', {}, 'What a connection pool is for'),
      element('p', { class: 'lead' },
        `${plural(setting.users, 'user')}, one PostgreSQL ${setting.postgres}, ${plural(setting.cores, 'core')}, ${setting.date}`),
      element('ol', { class: 'shown' }, closing(results).map((sentence) => element('li', {}, sentence))),
      element('h2', {}, 'Without and with a pool'),
      resultTable(rows),
      element('h2', {}, 'How large should it be?'),
      element('div', { class: 'charts' }, curves(rows)),
      element('h2', {}, 'When the database dies'),
      outageChart(outage),
      outage.errorKinds.length > 0
        ? element('p', { class: 'after' }, `The errors: ${kinds}.`)
        : [],
      element('h2', {}, 'How it was measured'),
      element('ul', { class: 'notes' }, notes(results).map((note) => element('li', {}, note))),
      element('p', {}, READ_ON))));
  return `<!doctype html>\n${html.html}\n`;
}

function resultTable(rows: readonly Row[]): Markup {
  const best = bestPool(rows);
  return element('div', { class: 'scroll' }, element('table', {},
    element('thead', {}, element('tr', {}, COLUMNS.map((column) => element('th', { title: column.means, scope: 'col' }, column.head)))),
    element('tbody', {}, rows.map((row) => element('tr', { class: row === best ? 'best' : undefined },
      COLUMNS.map((column) => element('td', { class: toneOf(column.head, row) }, column.cell(row))))))));
}

function toneOf(head: string, row: Row): string | undefined {
  return head === 'errors' && row.errors > 0 ? 'bad' : undefined;
}

function curves(rows: readonly Row[]): Markup[] {
  const pools = poolRows(rows);
  const series = (name: string, tone: Series['tone'], value: (row: Row) => number): Series =>
    ({ name, tone, points: pools.map((row) => ({ x: row.connections, y: value(row) })) });
  const references = rows
    .filter((row) => row.kind === 'each' || row.kind === 'shared')
    .map((row) => ({ name: `${row.name}: ${count(row.perSecond)}`, y: row.perSecond }));
  const charts = [
    curveChart({
      title: 'Throughput', subtitle: 'answers per second, by the size of the pool', references, label: short,
      series: [series('answers per second', 'a', (row) => row.perSecond)], tell: count,
    }),
    curveChart({
      title: 'Latency', subtitle: 'as the user sees it: the wait and the query', label: axisDuration,
      series: [series('p50', 'a', (row) => row.latency.p50), series('p99', 'c', (row) => row.latency.p99)], tell: duration,
    }),
  ];
  if (!pools.every((row) => row.split)) return charts;
  return [...charts, curveChart({
    title: 'The query itself', subtitle: 'mean time that it holds its connection', label: axisDuration,
    series: [series('held for', 'b', (row) => row.split?.useMs ?? 0)], tell: duration,
  })];
}
