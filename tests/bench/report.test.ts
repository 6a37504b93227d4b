// What a result looks like: in the terminal, in the page, in the documents.
import { describe, expect, it } from 'vitest';
import { markdownOf, tableMarkdown, withTables } from '../../lab/src/bench/report/markdown.ts';
import { page } from '../../lab/src/bench/report/page.ts';
import { chapterText, sectionText } from '../../lab/src/bench/report/terminal.ts';
import { bestOf, headOf, number, quantity } from '../../lab/src/bench/report/write.ts';
import { widthOf } from '../../lab/src/drawing/terminal/style.ts';
import { chapter, result, section } from './sample.ts';

const plain = { live: false, unicode: true, color: false };
const words = (text: string): string => text.replaceAll('\u00a0', ' ');

describe('numbers', () => {
  it.each([
    [37, '37'], [1411.4, '1 411'], [90.44, '90.4'], [2.444, '2.44'], [0.061, '0.06'], [9.996, '10.0'], [99.96, '100'], [NaN, '–'],
  ])('%d is written %s', (value, written) => {
    expect(words(number(value))).toBe(written);
  });

  it('have their unit, and ratios their digits', () => {
    expect(words(quantity(37, 'ns'))).toBe('37 ns');
    expect(words(quantity(1, '×'))).toBe('1.00 ×');
    expect(words(quantity(27.1, '×'))).toBe('27.1 ×');
    expect(quantity(5, '')).toBe('5');
  });
});

describe('the head of a column', () => {
  const column = { id: 'x', about: '' } as const;

  it('has the unit once', () => {
    expect(words(headOf({ ...column, head: 'CPU', unit: 'ns' }))).toBe('CPU ns');
    expect(headOf({ ...column, head: 'answers/s', unit: '/s' })).toBe('answers/s');
    expect(headOf({ ...column, head: '× floor', unit: '×' })).toBe('× floor');
  });
});

describe('the best of a column', () => {
  it('is never what only serves for comparison', () => {
    const [cpu, ratio] = section.columns;
    expect(bestOf(section, cpu!)).toBe(90.44);
    expect(bestOf(section, ratio!)).toBeUndefined();
    expect(bestOf(section, { ...cpu!, better: 'more' })).toBe(1411);
  });
});

describe('the terminal', () => {
  it('has every figure with its spread, words where there is none, failures and verdicts', () => {
    const text = words(sectionText(section, plain, 125).join('\n'));
    expect(text).toMatch(/contender +CPU ns +× millpond/);
    expect(text).toMatch(/the floor +37 \(36–41\)/);
    expect(text).toMatch(/millpond +90\.4 \(88–1 200\) +1\.00 ×/);
    expect(text).toMatch(/of ours +1 411 +15\.6 ×/);
    expect(text).toMatch(/slow +over 5 s +–/);
    expect(text).toContain('broken FAILED: it threw');
    expect(text).toContain('✓ at most 2.5 times the floor: 2.44');
    expect(text).toContain('✗ times faster than any peer, at least 20: 15.6');
  });

  it('says once what each does not do, and what failed', () => {
    const text = words(chapterText({ ...chapter, sections: [section, section] }, plain, 125).join('\n'));
    expect(text.match(/What they do not do/g)).toHaveLength(1);
    expect(text.match(/of ours +leases/g)).toHaveLength(1);
    expect(text).toContain('failed: broken (alone): it threw');
  });

  it('fits into its columns', () => {
    for (const columns of [60, 80, 125]) {
      const lines = chapterText(chapter, plain, columns);
      expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(columns);
    }
  });
});

describe('the page', () => {
  const html = page(result);

  it('needs nothing from elsewhere and shows nothing that is not there', () => {
    expect(html).not.toMatch(/https?:|src=|href="(?!#)|url\(|@import|<script|NaN|undefined|Infinity/);
    expect(html.match(/<svg/g)).toHaveLength(2);
    expect(html).toContain('a &lt;peer&gt; | of ours');
  });

  it('names in its bars also who has words in place of a figure', () => {
    const bars = html.slice(html.indexOf('aria-label="Bars'), html.indexOf('aria-label="Lines'));
    expect(bars).toMatch(/>slow<[^]*>over 5 s</);
  });

  it('says where it comes from, what failed and what is reached', () => {
    const text = words(html);
    const origin = ['Abacus, 2 cores, 8 GB', 'commit 1a2b3c4d5e + changes', 'Node 20.19.0', 'tarn 3.1.2'];
    for (const part of [...origin, 'Failed: engine: broken (alone): it threw']) expect(text).toContain(part);
    expect(text).toContain('1 of 2 are reached');
  });

  it('warns where a run was quick', () => {
    expect(page({ ...result, quick: true })).toContain('not to quote from');
    expect(html).not.toContain('not to quote from');
  });
});

describe('Markdown', () => {
  it('is a table that no name can break', () => {
    const lines = words(tableMarkdown(section)).trimEnd().split('\n');
    expect(lines[0]).toBe('|  | CPU ns | × millpond | does not do |');
    expect(lines[3]).toBe('| **millpond** | 90.4 (88–1 200) | 1.00 × |  |');
    expect(lines[4]).toBe('| a &lt;peer> \\| of ours | 1 411 | 15.6 × | leases |');
    expect(lines[6]).toBe('| broken | – | – | failed: it threw |');
  });

  it('tells date and machine', () => {
    const text = words(markdownOf(result));
    expect(text).toContain('Abacus, 2 cores');
    expect(text.replaceAll('\n', ' ')).toContain('2026-11-27, commit 1a2b3c4d5e + changes');
  });
});

describe('the marks in a document', () => {
  const before = 'Before.\n\n<!-- bench:engine/alone -->\nold\n<!-- /bench:engine/alone -->\n\n'
    + 'After <!-- bench:engine --><!-- /bench:engine --> end.\n';

  it('are filled, and everything else stays', () => {
    const { text, found, missing } = withTables(before, result);
    expect(found).toBe(2);
    expect(missing).toEqual([]);
    expect(text).not.toContain('old');
    expect(text).toMatch(/^Before\.\n\n<!-- bench:engine\/alone -->\n\*\*Nobody else there\.\*\* One caller\.\n\n\|/);
    expect(text).toMatch(/<!-- \/bench:engine\/alone -->\n\nAfter <!-- bench:engine -->\n### Nobody else there\n/);
    expect(text.endsWith('<!-- /bench:engine --> end.\n')).toBe(true);
  });

  it('are filled a second time to the same', () => {
    const once = withTables(before, result).text;
    expect(withTables(once, result).text).toBe(once);
  });

  it('keep what they had where the run has nothing for them', () => {
    const text = '<!-- bench:postgres -->\nold\n<!-- /bench:postgres -->\n<!-- bench:engine/gone -->\nold\n<!-- /bench:engine/gone -->\n';
    expect(withTables(text, result)).toEqual({ text, found: 2, missing: ['postgres', 'engine/gone'] });
  });

  it('belong together by their whole name', () => {
    const text = '<!-- bench:engine -->\n<!-- bench:engine/alone -->\nold\n<!-- /bench:engine/alone -->\n';
    expect(withTables(text, result)).toMatchObject({ found: 1 });
  });
});
