// What the playground says about figures, and what it makes of what is sent to it: the parts that need no server.
import { describe, expect, it } from 'vitest';
import { bestOf, Points, wordsOf } from '../../lab/src/playground/curve.ts';
import { Gauge } from '../../lab/src/playground/gauge.ts';
import { Users } from '../../lab/src/playground/load/users.ts';
import { planFrom } from '../../lab/src/playground/options.ts';
import type { Point } from '../../lab/src/playground/page/wire.ts';
import { fitting } from '../../lab/src/playground/run.ts';
import { changed, DEFAULTS, differences } from '../../lab/src/playground/settings.ts';

const point = (size: number, perSecond: number, more: Partial<Point> = {}): Point => ({
  size, perSecond, p99: 50, running: 2, locked: 0, cpuMs: 0.1, clientBusy: 0.5, othersCores: 0.1, waiting: 400 - size, borrowed: size,
  ...more,
});

describe('the words under the curve', () => {
  it('prefer the smallest size that is as good as the best', () => {
    expect(bestOf([point(1, 400), point(5, 960), point(10, 1000), point(200, 300)])?.size).toBe(5);
    expect(bestOf([])).toBeUndefined();
  });

  it('say how much is lost with the largest, and why, as far as the figures tell', () => {
    const words = wordsOf([point(10, 8000), point(200, 2000, { p99: 900, cpuMs: 0.5, running: 20, locked: 60, clientBusy: 1 })], 2);
    expect(words[0]).toMatch(/^10 connections: 8.000 answers a second, 99 % within 50.ms\.$/);
    expect(words[1]).toMatch(/^200 connections: 2.000 a second, 99 % within 900.ms: 25.% of that\.$/);
    expect(words.join(' ')).toMatch(/0\.50.ms of processor instead of 0\.10.ms.*2 cores.*60 of its 80 busy sessions.*comes to its turn/);
  });

  it('claim nothing that the figures do not show', () => {
    const same = wordsOf([point(10, 8000), point(200, 7800, { cpuMs: null, running: null, locked: null })], 2).join(' ');
    const hardly = wordsOf([point(10, 8000), point(200, 7800, { cpuMs: 0.12, locked: 1, clientBusy: 0.7 })], 2).join(' ');
    expect(hardly).not.toMatch(/processor|busy sessions|turn too late/);
    expect(same).toContain('no more for all the effort');
    expect(same).not.toMatch(/processor|busy sessions|turn too late|%.of that/);
    expect(wordsOf([point(10, 8000), point(200, 16_000)], 64).join(' ')).toContain('the best may be larger still');
    expect(wordsOf([point(10, 8000), point(200, 16_000, { borrowed: 50 })], 64).join(' ')).toContain('Only 50 of them were in use');
    expect(wordsOf([point(10, 8000)], 2)).toEqual([]);
    expect(same).not.toContain('Other programs');
    const disturbed = wordsOf([point(10, 8000, { othersCores: 1.2 }), point(200, 7800)], 2);
    expect(disturbed.at(-1)).toContain('Other programs used up to 1.2 of 2 cores');
  });

  it('are of one load: points of another step back', () => {
    const points = new Points();
    points.under('a');
    points.add(point(10, 1));
    points.under('b');
    points.add(point(20, 2));
    points.under('b');
    expect(points.curve(2)).toMatchObject({ points: [{ size: 20 }], before: [{ size: 10 }] });
  });
});

describe('the gauge', () => {
  it('counts who gave up with the time waited, and who was refused at once with none', () => {
    const gauge = new Gauge(3000);
    for (let answer = 0; answer < 98; answer += 1) gauge.addOk(10);
    gauge.addError(Object.assign(new Error('gave up'), { code: 'LATE' }), 3001);
    gauge.addError(Object.assign(new Error('gave up'), { code: 'LATE' }), 3001);
    gauge.addError(Object.assign(new Error('refused'), { code: 'AT_ONCE' }), 0.1);
    const { ok, errors, p50, p99 } = gauge.slice(performance.now());
    expect({ ok, errors, p50, p99 }).toEqual({ ok: 98, errors: 3, p50: 10, p99: 3001 });
    expect(gauge.errors()).toEqual([
      { code: 'LATE', count: 2, message: 'gave up' }, { code: 'AT_ONCE', count: 1, message: 'refused' },
    ]);
  });

  it('keeps few kinds of errors apart, whatever comes', () => {
    const gauge = new Gauge(3000);
    for (let kind = 0; kind < 100; kind += 1) gauge.addError(Object.assign(new Error('x'), { code: `E${kind}` }), 1);
    expect(gauge.errors()).toHaveLength(13);
    expect(gauge.errors()[0]).toMatchObject({ code: 'others', count: 88 });
  });
});

describe('the users', () => {
  it('count the time from when they wanted something, also what the program itself delays', async () => {
    const waited: number[] = [];
    const users = new Users({
      most: 1, pauseMs: () => 5, onOk: (ms) => waited.push(ms), onError: () => undefined,
      ask: () => {
        // The thread is busy while the pause ends: the next request is sent late, which the user has to wait for.
        setImmediate(() => { const until = performance.now() + 60; while (performance.now() < until); });
        return Promise.resolve();
      },
    });
    users.set(1);
    await expect.poll(() => waited.length, { interval: 5, timeout: 20_000 }).toBeGreaterThan(3);
    await users.gone();
    expect(Math.max(...waited)).toBeGreaterThan(40);
  });

  it('go when they are too many, and come back when they are called', async () => {
    const asking = new Set<number>();
    const users = new Users({
      most: 5, pauseMs: () => 0, onOk: () => undefined, onError: () => undefined,
      ask: async (user) => {
        asking.add(user);
        await new Promise((resolve) => { setImmediate(resolve); });
      },
    });
    users.set(5);
    await expect.poll(() => asking.size, { interval: 5, timeout: 20_000 }).toBe(5);
    users.set(2);
    users.set(4);
    asking.clear();
    await expect.poll(() => [...asking].sort((a, b) => a - b), { interval: 5, timeout: 20_000 }).toEqual([0, 1, 2, 3]);
    await users.gone();
    asking.clear();
    await new Promise((resolve) => { setImmediate(resolve); });
    expect(asking.size).toBe(0);
  });
});

describe('what is asked for', () => {
  it('is checked, one by one', () => {
    expect(changed(DEFAULTS, { size: 200, cpuMs: 0.5 })).toEqual({ ...DEFAULTS, size: 200, cpuMs: 0.5 });
    for (const wrong of [null, 7, [], { size: '10' }, { size: 201 }, { size: NaN }, { cpuMs: -1 }, { handling: 'x' }, { __proto__x: 1 }]) {
      expect(() => changed(DEFAULTS, wrong), JSON.stringify(wrong)).toThrow();
    }
    expect(differences(DEFAULTS, { ...DEFAULTS, size: 20, handling: 'each' })).toEqual([
      ['handling', 'a connection per request'], ['size', 'pool of 20'],
    ]);
  });

  it('is read from the command line', () => {
    expect(planFrom([])).toEqual({ port: 0, forMs: undefined, users: 400, quiet: false });
    expect(planFrom(['--for', '2m', '--port', '8080', '--quiet', '--users', '0'])).toEqual({
      port: 8080, forMs: 120_000, users: 0, quiet: true,
    });
    expect(planFrom(['--for', '1500ms'])).toMatchObject({ forMs: 1500 });
    expect(planFrom(['--help'])).toBe('help');
    for (const wrong of ['', '0s', '61m', 'abc', '-5s', '5h']) expect(() => planFrom([`--for=${wrong}`]), wrong).toThrow('--for');
  });

  it('fits into the time that there is', () => {
    expect(fitting(20_000)[0]).toHaveLength(8);
    expect(fitting(4000)[0]).toEqual([10, 200]);
    expect(fitting(1000)[0]).toEqual([10]);
  });
});
