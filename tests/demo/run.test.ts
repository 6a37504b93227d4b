// The first command of the README, as a newcomer runs it: built, without a terminal, from its first line to its exit code. Shorter and with
// fewer users than by default, but all of it: a real server, every strategy, the kill, the page, and nothing left behind.
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildLab, processesOf, startProgram, type Started } from '../support/lab-program.ts';

const start = (temporary: string, ...args: string[]): Started => startProgram('demo/main.js', temporary, ...args);

describe('the demo', () => {
  let temporary: string;
  let pages: string;

  beforeAll(buildLab);

  beforeEach(() => {
    temporary = mkdtempSync(join(tmpdir(), 'demo-test-'));
    pages = mkdtempSync(join(tmpdir(), 'demo-page-'));
    chmodSync(temporary, 0o755); // a server that may not run as root runs as somebody who has to get in
  });

  afterEach(() => {
    rmSync(temporary, { recursive: true, force: true });
    rmSync(pages, { recursive: true, force: true });
  });

  it('runs without a terminal from boot to exit code 0, heals after the kill, and leaves one page and nothing else', async () => {
    const file = join(pages, 'deep/er/demo.html');
    const { code, out, err } = await start(temporary, '--quick', '--html', file).ended;
    expect(err).toBe('');
    expect(code).toBe(0);

    expect(out).not.toContain('\u001b');
    expect(out).toMatch(/strategy +answers\/s +p50 +p95 +p99 +errors +opened +TIME_WAIT +client CPU +server CPU +CPU\/answer/);
    for (const name of ['a connection per request', 'the same, 90 at a time', 'one shared connection']) {
      expect(out).toContain(name);
    }
    const cells = out.split('\n').map((line) => line.split(/ {2,}/))
      .filter(([name, ...figures]) => name?.startsWith('millpond, ') && figures.length === 10);
    expect(cells.map((row) => ({ name: row[0], errors: row[5], opened: row[6] }))).toEqual(
      ['2', '10', '50'].map((size) => ({ name: `millpond, ${size} connections`, errors: '0', opened: size })));
    expect(out).toMatch(/killed with SIGKILL at [\s\S]*started again at [\s\S]*first answer at /);
    const prose = out.replaceAll(/\s+/g, ' '); // wherever its lines end
    expect(prose).toMatch(/at most [12] at once \(maxCreating 2\)/);
    expect(prose).toContain('nothing crashed');
    expect(out).toContain('What this run showed');

    const html = readFileSync(file, 'utf8');
    expect(html).not.toMatch(/https?:|src=|href=|url\(|@import|<script|NaN|undefined/);
    expect(html.match(/<svg/g)).toHaveLength(4);

    expect(readdirSync(temporary)).toEqual([]);
    const files = readdirSync(pages, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(files.map((entry) => entry.name)).toEqual(['demo.html']);
    expect(processesOf(temporary)).toEqual([]);
  });

  it.each([['SIGINT', 130], ['SIGTERM', 143]] as const)('cleans up after %s under load and exits with %d', async (signal, expected) => {
    const file = join(pages, 'demo.html');
    const demo = start(temporary, '--quick', '--html', file);
    await demo.said('one shared connection'); // the line after it: a pool is at work
    expect(processesOf(temporary).length).toBeGreaterThan(0);
    demo.child.kill(signal);
    const { code, err } = await demo.ended;
    expect(err).toBe(`\n${signal}: cleaning up\n`);
    expect(code).toBe(expected);
    expect(readdirSync(temporary)).toEqual([]);
    expect(processesOf(temporary)).toEqual([]);
    expect(existsSync(file)).toBe(false);
  });

  it('says what it can do, and what is wrong with what was asked', async () => {
    const help = await start(temporary, '--help').ended;
    expect(help).toMatchObject({ code: 0, err: '' });
    for (const option of ['--quick', '--users', '--seconds', '--html', '--io-ms', '--ascii']) expect(help.out).toContain(option);
    const wrong = await start(temporary, '--users', 'all').ended;
    expect(wrong).toMatchObject({ code: 2, out: '' });
    expect(wrong.err).toContain('--users takes a whole number from 1 to 100000, not "all".');
    const nowhere = await start(temporary, '--html', temporary).ended;
    expect(nowhere.code).toBe(2);
    expect(nowhere.err).toContain(`cannot be written to ${temporary}`);
  });
});
