// What is drawn in the terminal: whatever its width, its colours and its character set.
import { describe, expect, it } from 'vitest';
import { COLUMNS } from '../../lab/src/demo/columns.ts';
import { outageView } from '../../lab/src/demo/outage/view.ts';
import { progressLine } from '../../lab/src/demo/progress.ts';
import { beside, curve } from '../../lab/src/drawing/terminal/curve.ts';
import { Screen } from '../../lab/src/drawing/terminal/screen.ts';
import { spark } from '../../lab/src/drawing/terminal/spark.ts';
import { fit, paint, styleFor, toAscii, widthOf, wrap, type Style } from '../../lab/src/drawing/terminal/style.ts';
import { table, tables } from '../../lab/src/drawing/terminal/table.ts';
import { outageResult, rows } from './sample-results.ts';

const PLAIN: Style = { live: false, unicode: true, color: false };
const LIVE: Style = { live: true, unicode: true, color: true };
const ASCII: Style = { live: false, unicode: false, color: false };

describe('the style of a terminal', () => {
  const base = { isTTY: true, platform: 'linux', env: { TERM: 'xterm-256color', LANG: 'en_US.UTF-8' } };
  it('has colours and redraws only on a terminal that can', () => {
    expect(styleFor(base)).toEqual({ live: true, unicode: true, color: true });
    expect(styleFor({ ...base, isTTY: false })).toEqual({ live: false, unicode: true, color: false });
    expect(styleFor({ ...base, env: { ...base.env, TERM: 'dumb' } })).toMatchObject({ live: false, color: false });
  });

  it('respects NO_COLOR before all else, and FORCE_COLOR in a pipe', () => {
    expect(styleFor({ ...base, env: { ...base.env, NO_COLOR: '1', FORCE_COLOR: '1' } })).toMatchObject({ live: true, color: false });
    expect(styleFor({ ...base, isTTY: false, env: { FORCE_COLOR: '1' } })).toMatchObject({ live: false, color: true });
    expect(styleFor({ ...base, env: { ...base.env, FORCE_COLOR: '0' } }).color).toBe(false);
  });

  it('stays within ASCII where more would not be shown', () => {
    expect(styleFor({ ...base, ascii: true }).unicode).toBe(false);
    expect(styleFor({ ...base, env: { TERM: 'xterm', LC_ALL: 'C', LANG: 'en_US.UTF-8' } }).unicode).toBe(false);
    expect(styleFor({ ...base, env: { TERM: 'linux', LANG: 'en_US.UTF-8' } }).unicode).toBe(false);
    expect(styleFor({ ...base, platform: 'win32', env: {} }).unicode).toBe(false);
  });
});

describe('width', () => {
  it('counts what is seen and cuts without losing the end of a colour', () => {
    const text = `${paint(LIVE, 'red', 'red')} and plain`;
    expect(widthOf(text)).toBe(13);
    const cut = fit(text, 6);
    expect(widthOf(cut)).toBe(6);
    expect(cut.endsWith('\u001b[0m')).toBe(true);
    expect(fit('short', 10)).toBe('short');
  });

  it('wraps words and never a word', () => {
    expect(wrap('aa bb cc dd', 5, '  ')).toEqual(['aa bb', '  cc', '  dd']);
    expect(wrap('averylongword x', 5)).toEqual(['averylongword', 'x']);
  });
});

describe('the screen', () => {
  const open = (style: Style, size: { columns?: number; rows?: number } = {}) => {
    const written: string[] = [];
    return { written, screen: new Screen({ ...size, write: (text) => written.push(text) }, style) };
  };

  it('writes no escape and no block without a terminal', () => {
    const { written, screen } = open(PLAIN);
    screen.draw(['progress']);
    screen.print('done');
    screen.rest();
    expect(written.join('')).toBe('done\n');
  });

  it('writes nothing but ASCII where that was asked for, in as many columns', () => {
    const { written, screen } = open(ASCII);
    const text = '1\u00a0000 – 3 × 4 ≥ 5 …';
    screen.print(text);
    expect(written.join('')).toBe('1 000 - 3 x 4 > 5 .\n');
    expect(widthOf(toAscii(text))).toBe(widthOf(text));
  });

  it('takes as many lines back as it has drawn, and gives the cursor back', () => {
    const { written, screen } = open(LIVE, { columns: 40, rows: 20 });
    screen.draw(['one', 'two', 'three']);
    screen.draw(['four']);
    screen.print('kept');
    screen.rest();
    expect(written[0]).toBe('\u001b[?25lone\ntwo\nthree\r');
    expect(written[1]).toBe(`\r\u001b[2K${'\u001b[1A\u001b[2K'.repeat(2)}four\r`);
    expect(written[2]).toBe('\r\u001b[2Kkept\n');
    expect(written[3]).toBe('\u001b[?25h');
  });

  it('never lets a line wrap or the block outgrow the window', () => {
    const { written, screen } = open(LIVE, { columns: 30, rows: 4 });
    screen.draw(Array.from({ length: 9 }, () => 'x'.repeat(100)));
    const lines = (written[0] ?? '').replace('\u001b[?25l', '').replace('\r', '').split('\n');
    expect(lines.length).toBe(3);
    expect(Math.max(...lines.map(widthOf))).toBeLessThan(30);
  });
});

describe('tables', () => {
  const columns = [
    { head: 'name', left: true, cell: (row: string[]) => row[0] ?? '' },
    { head: 'n', group: 'a', cell: (row: string[]) => row[1] ?? '' },
    { head: 'much', group: 'b', cell: (row: string[]) => row[2] ?? '' },
  ];

  it('align names left and figures right', () => {
    expect(table(columns, [['one', '1', '100'], ['three', '33', '5']], PLAIN)).toEqual([
      'name    n  much',
      '───────────────',
      'one     1   100',
      'three  33     5',
    ]);
  });

  it('are cut between groups when they are too wide, and every figure stays', () => {
    const cut = tables(columns, [['one', '1', '100']], ASCII, 12);
    expect(cut).toEqual([['name  n', '-------', 'one   1'], ['name  much', '----------', 'one    100']]);
    expect(tables(columns, [['one', '1', '100']], ASCII, 80)).toHaveLength(1);
    const more = [...columns, { head: 'most', group: 'b', cell: (line: string[]) => line[3] ?? '' }];
    expect(tables(more, [['one', '1', '100', '1000']], ASCII, 16).map(([head]) => head)).toEqual(['name  n', 'name  much  most']);
    expect(tables(more, [['one', '1', '100', '1000']], ASCII, 12).map(([head]) => head)).toEqual(['name  n', 'name  much', 'name  most']);
  });

  it.each([30, 50, 79, 99, 124])('of the results fit into %d columns', (width) => {
    const lines = tables(COLUMNS, rows(), PLAIN, width);
    const widest = Math.max(...lines.flat().map(widthOf));
    expect(widest).toBeLessThanOrEqual(Math.max(width, 37)); // one name and one figure need that much
    const text = lines.flat().join('\n');
    for (const { head } of COLUMNS) expect(text).toContain(head);
  });

  it('fit into one piece in a log without a terminal', () => {
    expect(tables(COLUMNS, rows(), PLAIN, 124)).toHaveLength(1);
  });
});

describe('the curve', () => {
  const points = [{ x: 1, y: 0 }, { x: 10, y: 50 }, { x: 100, y: 100 }];
  const options = { title: 'title', points, width: 40, height: 8, yLabel: String, xTitle: 'size', paint: 'cyan' as const };

  it('puts each point where it belongs', () => {
    const lines = curve({ ...options, width: 46, height: 9 }, ASCII);
    expect(lines[0]).toContain('title');
    const area = lines.slice(1, 10).map((line) => line.slice(line.search(/[|+]/) + 1));
    expect(area[0]?.lastIndexOf('o')).toBe(39);                    // top right
    expect(area[4]?.indexOf('o')).toBe(20);                         // the middle, both ways
    expect(area[8]?.indexOf('o')).toBe(0);                          // bottom left
    expect(lines.at(-2)?.trim().split(/\s+/)).toEqual(['1', '10', '100']);
  });

  it('draws with Braille dots, or within ASCII', () => {
    expect(curve(options, PLAIN).join('')).toMatch(/[\u2801-\u28ff]/);
    expect(curve(options, ASCII).join('\n')).toMatch(/^[\x00-\x7f]*$/);
  });

  it.each([20, 40, 64])('keeps to its %d columns, alone and beside another', (width) => {
    const one = curve({ ...options, width }, PLAIN);
    expect(Math.max(...one.map(widthOf))).toBeLessThanOrEqual(width);
    expect(Math.max(...beside(one, one, 4).map(widthOf))).toBeLessThanOrEqual(2 * width + 4);
  });

  it('survives one point and figures of nought', () => {
    expect(curve({ ...options, points: [{ x: 5, y: 0 }] }, PLAIN).join('\n')).toContain('●');
  });
});

describe('the timeline', () => {
  it('shows nought as a gap and a short burst in full', () => {
    expect(spark([0, 1, 4, 8], { width: 4 }, PLAIN)).toBe(' ▁▄█');
    expect(spark([0, 0, 0, 9, 0, 0, 0, 0], { width: 4 }, PLAIN)).toBe(' █  ');
    expect(spark([5, 10], { width: 2, top: 20 }, ASCII)).toBe(':=');
    expect(spark([0, 0], { width: 2 }, PLAIN)).toBe('  ');
  });

  it.each([40, 79, 124, 200])('of an outage fits into %d columns, from its first moment on', (width) => {
    const { samples, events } = outageResult();
    for (const seen of [0, 1, 5, samples.length]) {
      const view = outageView({ samples: samples.slice(0, seen), events: seen < 40 ? {} : events, lengthMs: 9000, size: 10, width }, PLAIN);
      const bars = view.filter((line) => !/[▲]/.test(line));
      expect(Math.max(...bars.map(widthOf))).toBeLessThanOrEqual(width);
    }
  });

  it('has a mark for each event below the gap that it makes', () => {
    const { samples, events } = outageResult();
    const view = outageView({ samples, events, lengthMs: 9000, size: 10, width: 116 }, PLAIN);
    const answers = view[0] ?? '';
    const killed = (view.find((line) => line.includes('killed')) ?? '').indexOf('▲');
    expect(answers[killed - 1]).not.toBe(' ');
    expect(answers[killed + 2]).toBe(' ');
    expect(view.join('\n')).toMatch(/killed \(SIGKILL\) at 3\.00\ss[\s\S]*started again at 4\.50\ss[\s\S]*first answer at 5\.00\ss/);
  });
});

it('the line of progress fits into a narrow terminal', () => {
  const progress = { phase: 'measuring', done: 0.5, perSecond: 5812, errors: 3, p50: 171 } as const;
  const line = progressLine('millpond, 10 connections', progress, 100, PLAIN);
  expect(widthOf(line)).toBeLessThanOrEqual(100);
  expect(line).toMatch(/5\s812 answers\/s.*3\serrors/);
});
