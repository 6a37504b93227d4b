// The first command of the README, as a newcomer runs it: built, without a terminal, from its first line to its exit code. Shorter and with
// fewer users than by default, but all of it: a real server, every strategy, the kill, the page, and nothing left behind.
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = join(ROOT, 'lab/dist/demo/main.js');

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when that text has been printed. */
  said(text: string): Promise<void>;
}

/** The demo, without a terminal, with a temporary folder of its own. */
function start(temporary: string, ...args: string[]): Started {
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...env } = process.env;
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: ROOT, env: { ...env, TMPDIR: temporary }, stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { out: '', err: '' };
  const waiting: { words: string; heard: () => void }[] = [];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text.out += chunk;
    for (const { words, heard } of waiting) if (text.out.includes(words)) heard();
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => { text.err += chunk; });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => { resolve({ code, ...text }); });
  });
  const said = (words: string): Promise<void> => Promise.race([
    new Promise<void>((resolve) => {
      if (text.out.includes(words)) resolve();
      else waiting.push({ words, heard: resolve });
    }),
    ended.then(({ code, err }) => { throw new Error(`ended with ${code} before it said "${words}": ${err}`); }),
  ]);
  return { child, ended, said };
}

/** Command lines of processes that have to do with that folder. */
function processesOf(folder: string): string[] {
  return execFileSync('ps', ['-A', '-o', 'args='], { encoding: 'utf8' }).split('\n').filter((line) => line.includes(folder));
}

describe('the demo', () => {
  let temporary: string;
  let pages: string;

  beforeAll(() => {
    const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
    const { status, stdout } = spawnSync(process.execPath, [compiler, '-b', 'lab'], { cwd: ROOT, encoding: 'utf8' });
    if (status !== 0) throw new Error(`The demo does not compile:\n${stdout}`);
  });

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
