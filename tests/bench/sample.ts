// A small result in which everything occurs once: a ratio, words in place of a figure, a failure, both kinds of targets and of charts.
import type { ChapterResult, Row, Section } from '../../lab/src/bench/chapter.ts';
import type { BenchResult } from '../../lab/src/bench/results.ts';

const row = (contender: string, cells: Row['cells'], rest: Partial<Row> = {}): Row =>
  ({ contender, about: `${contender} 1.0`, lacks: '', ours: false, cells, ...rest });

export const section: Section = {
  id: 'alone', title: 'Nobody else there', note: 'One caller.',
  columns: [
    { id: 'cpu', head: 'CPU', unit: 'ns', about: 'CPU time', better: 'less' },
    { id: 'toMillpond', head: '× millpond', unit: '×', about: 'compared' },
  ],
  rows: [
    row('the floor', { cpu: { median: 37, low: 36, high: 41 } }, { reference: true, lacks: 'everything' }),
    row('millpond', { cpu: { median: 90.44, low: 88, high: 1200 }, toMillpond: { median: 1, low: 1, high: 1 } }, { ours: true }),
    row('a <peer> | of ours', { cpu: { median: 1411, low: 1411, high: 1411 }, toMillpond: { median: 15.6, low: 14, high: 17 } }, {
      lacks: 'leases',
    }),
    row('slow', {}, { words: { cpu: 'over 5 s' } }),
    row('broken', {}, { failed: 'it threw' }),
  ],
  charts: [
    { kind: 'bars', title: 'Bars', subtitle: 'ns', column: 'cpu' },
    {
      kind: 'lines', title: 'Lines', subtitle: 'ns', xTitle: 'waiters', yUnit: 'ns', logarithmic: true,
      series: [
        { name: 'millpond', ours: true, points: [{ x: 1000, y: 200 }, { x: 10_000, y: 210 }] },
        { name: 'slow', ours: false, points: [{ x: 1000, y: 400 }] },
        { name: 'broken', ours: false, points: [] },
      ],
    },
  ],
  targets: [
    { text: 'at most 2.5 times the floor', value: 2.44, limit: 2.5, holds: true, sense: 'atMost' },
    { text: 'times faster than any peer, at least 20', value: 15.6, limit: 20, holds: false, sense: 'atLeast' },
  ],
};

export const chapter: ChapterResult = {
  name: 'engine', title: 'The engine', about: 'What borrowing costs.', sections: [section], notes: ['Medians.'],
  failures: ['broken (alone): it threw'],
};

export const result: BenchResult = {
  origin: {
    machine: { cpu: 'Abacus', cores: 2, memoryBytes: 8 * 2 ** 30, system: 'Linux 6 x64', node: '20.19.0', v8: '11' },
    load: { start: 0.25, end: 1.5 }, commit: '1a2b3c4d5e + changes', date: '2026-11-27T10:00:00.000Z', tookMs: 61_000,
    versions: { tarn: '3.1.2' },
  },
  quick: false,
  chapters: [chapter],
};
