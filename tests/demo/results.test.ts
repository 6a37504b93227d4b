// What is said about a run follows from its figures: sentences that a run does not support must not be written.
import { describe, expect, it } from 'vitest';
import { recovery } from '../../lab/src/demo/outage/timeline.ts';
import { page } from '../../lab/src/demo/report/page.ts';
import { bestPool } from '../../lab/src/demo/results.ts';
import { closing as closingRaw, notes } from '../../lab/src/demo/words.ts';
import { outageResult, pool, results, row, rows } from './sample-results.ts';

/** With spaces that break: easier to read. */
const closing = (...given: Parameters<typeof closingRaw>): string[] => closingRaw(...given).map((text) => text.replaceAll('\u00a0', ' '));

describe('recovery', () => {
  it('is told from the kill, from the restart and from the answers', () => {
    const { before, firstAnswerMs, fullSpeedMs, outageMs } = recovery(outageResult());
    expect(before).toBeCloseTo(2500);
    expect(firstAnswerMs).toBe(200);
    expect(outageMs).toBe(2000);
    expect(fullSpeedMs).toBe(200);
  });

  it('is not full while the answers are few', () => {
    expect(recovery(outageResult({}, true)).fullSpeedMs).toBe(1200);
  });

  it('is not claimed when it was not seen', () => {
    const outage = outageResult();
    const dead = {
      events: { ...outage.events, firstOkMs: undefined },
      samples: outage.samples.map((sample) => (sample.atMs > 3000 ? { ...sample, ok: 0 } : sample)),
    };
    expect(recovery(dead)).toMatchObject({ firstAnswerMs: undefined, fullSpeedMs: undefined, outageMs: undefined });
    const short = { ...outage, samples: outage.samples.filter((sample) => sample.atMs <= 5300) };
    expect(recovery(short).fullSpeedMs).toBeUndefined();
  });
});

describe('the best pool', () => {
  it('is the smallest that cannot be told from the best', () => {
    expect(bestPool(rows())?.connections).toBe(10);
    expect(bestPool([pool(90, 3000, 1), pool(2, 1000, 1)])?.connections).toBe(90);
    expect(bestPool([])).toBeUndefined();
  });
});

describe('the closing sentences', () => {
  it('are three and hold the figures of the run', () => {
    const [first, second, third, ...more] = closing(results());
    expect(more).toEqual([]);
    expect(first).toBe('A pool of 10 connections answered 2 900 requests a second with no error; a connection per request answered 30 ' +
      '(the pool gave ' +
      '97 times as much), and 97 % of its requests failed; held to 90 at a time it answered 90.');
    expect(second).toBe('Of the sizes tried, 10 was the smallest within 10 % of the best throughput; 90 connections gave 28 % less, ' +
      'while each query took ' +
      '43 ms instead of 3.4 ms: the wait had only moved from the pool into the database.');
    expect(third).toBe('The database was killed under 1 000 users: 10 requests failed, 2.00 s later the first answer came (200 ms ' +
      'after the server was up), ' +
      '80 % of the rate before 200 ms after it was up, never more than 2 connection attempts at once, nothing crashed.');
  });

  it('do not praise what did not happen', () => {
    const slow = results({
      rows: [row({ kind: 'each', perSecond: 5000, errors: 0 }), pool(2, 1000, 2), pool(90, 4000, 2.1)],
      outage: outageResult({ events: { killedMs: 3000, restartedMs: 4500, upMs: 4800, firstOkMs: undefined }, uncaught: 2 }),
    });
    const [first, second, third] = closing(slow);
    expect(first).not.toContain('times as much');
    expect(first).not.toContain('failed');
    expect(second).toContain('it was the largest one');
    expect(third).toContain('no answer came back before the run ended');
    const crashed = closing(results({ outage: outageResult({ uncaught: 2 }) }))[2];
    expect(crashed).toContain('2 errors nobody caught');
    expect(crashed).not.toContain('nothing crashed');
  });
});

describe('the notes', () => {
  it('say what stands for what, and where the limit was', () => {
    const text = notes(results()).join('\n');
    expect(text).toContain('pg_sleep');
    expect(text).toContain('one thread of Node');
    expect(text).toContain('sorry, too many clients already');
    const busy = results({ rows: [pool(10, 3000, 3)].map((one) => ({ ...one, cpu: { ...one.cpu, clientMs: 2950 } })) });
    expect(notes(busy).join('\n')).toContain("the client's one thread was the limit");
    expect(notes(results({ setting: { ...results().setting, ioMs: 0 } })).join('\n')).not.toContain('pg_sleep');
  });
});

describe('the page', () => {
  const html = page(results());

  it('needs nothing from anywhere', () => {
    expect(html).not.toMatch(/https?:|\/\/[a-z]|src=|href=|url\(|@import|<script|<link|<img|<iframe/i);
  });

  it('is whole: table, three curves, the outage, light and dark', () => {
    expect(html.startsWith('<!doctype html>\n<html lang="en">')).toBe(true);
    expect(html.match(/<tr/g)).toHaveLength(1 + rows().length);
    expect(html.match(/<svg/g)).toHaveLength(4);
    expect(html).toContain('prefers-color-scheme: dark');
    expect(html).toMatch(/killed \(SIGKILL\), 3\.00\ss/);
    for (const name of ['table', 'svg', 'g', 'figure', 'text', 'main']) {
      const opened = html.match(new RegExp(`<${name}[ >]`, 'g'));
      expect(opened?.length, name).toBe(html.split(`</${name}>`).length - 1);
    }
  });

  it('holds no figure that is not one', () => {
    const none = { ok: 0, perSecond: 0, latency: { p50: NaN, p95: NaN, p99: NaN, mean: NaN } };
    const empty = page(results({ rows: rows().map((one) => (one.kind === 'each' ? { ...one, ...none } : one)) }));
    for (const text of [html, empty]) expect(text).not.toMatch(/NaN|Infinity|undefined|\[object/);
  });

  it('escapes what it did not write itself', () => {
    const evil = page(results({ outage: outageResult({ errorKinds: [['<script>alert("x")</script> & more', 1]] }) }));
    expect(evil).not.toContain('<script>');
    expect(evil).toContain('&lt;script&gt;');
    expect(html).toContain('A &lt;fast&gt; processor');
  });
});
