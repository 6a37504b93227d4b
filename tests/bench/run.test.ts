// The benchmark as it is run: built, in processes of its own, from the first line to the exit code, with the files it leaves. Two
// contenders and one short round: that it ends and tells the truth about what happened is looked at here, not what it measured.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Chapter, ChapterResult } from '../../lab/src/bench/chapter.ts';
import type * as Harness from '../../lab/src/bench/harness/station.ts';
import { optionsFrom, type BenchOptions } from '../../lab/src/bench/options.ts';
import type { BenchResult } from '../../lab/src/bench/results.ts';
import { run } from '../../lab/src/bench/run.ts';
import { Screen } from '../../lab/src/drawing/terminal/screen.ts';
import { chapter as sample } from './sample.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = join(ROOT, 'lab/dist/bench/main.js');
const SECTIONS = ['uncontended', 'few', 'many', 'drain', 'timeouts', 'aborts', 'validation', 'heap', 'sharing'];
const TIMEOUT_MS = 240_000;

let folder: string;

beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'bench-test-')); });
afterEach(() => { rmSync(folder, { recursive: true, force: true }); });

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Without a terminal. `onText` sees what has been printed so far. */
function bench(args: readonly string[], onText: (child: ReturnType<typeof spawn>, out: string) => void = () => undefined): Promise<Ended> {
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...env } = process.env;
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text.out += chunk;
    onText(child, text.out);
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => { text.err += chunk; });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...text }));
  });
}

beforeAll(() => {
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [compiler, '-b', 'lab'], { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`The benchmark does not compile:\n${stdout}`);
}, TIMEOUT_MS);

describe('npm run bench', () => {
  it('measures the engine to the end, exits with 0 and leaves figures and a page', { timeout: TIMEOUT_MS }, async () => {
    const { code, out, err } = await bench(['engine', '--quick', '--rounds', '1', '--only', 'smallest,millpond', '--out', folder]);
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(out).not.toContain('\u001b');
    expect(out).toMatch(/contender +CPU/);
    expect(readdirSync(folder).sort()).toEqual(['bench-engine.html', 'bench-engine.json']);

    const { origin, quick, chapters } = JSON.parse(readFileSync(join(folder, 'bench-engine.json'), 'utf8')) as BenchResult;
    expect(quick).toBe(true);
    expect(origin.machine.node).toBe(process.versions.node);
    expect(origin.machine.cores).toBeGreaterThan(0);
    expect(origin.commit).not.toBe('');
    expect(Date.parse(origin.date)).not.toBeNaN();
    expect(origin.versions).toMatchObject({ tarn: expect.stringMatching(/^3\./), millpond: expect.stringMatching(/^\d/) });
    const [engine] = chapters;
    expect(engine?.failures).toEqual([]);
    expect(engine?.sections.map(({ id }) => id)).toEqual(SECTIONS);
    for (const { id, columns, rows } of engine?.sections ?? []) {
      const ours = rows.find((row) => row.contender === 'millpond');
      const measured = columns.filter(({ unit }) => unit !== '×').map((column) => ours?.cells[column.id]?.median);
      expect({ id, kinds: new Set(measured.map((value) => typeof value)) }).toEqual({ id, kinds: new Set(['number']) });
    }

    const html = readFileSync(join(folder, 'bench-engine.html'), 'utf8');
    expect(html).not.toMatch(/https?:|src=|href="(?!#)|<script|NaN|undefined/);
  });

  it('ends at once and leaves nothing when it is interrupted', { timeout: TIMEOUT_MS }, async () => {
    const { code, err } = await bench(['engine', '--quick', '--only', 'smallest', '--out', folder], (child, out) => {
      if (out.includes('engine:') && !child.killed) setTimeout(() => child.kill('SIGINT'), 500);
    });
    expect(code).toBe(130);
    expect(err).toBe('Interrupted by SIGINT. Nothing was written.\n');
    expect(readdirSync(folder)).toEqual([]);
    const left = execFileSync('ps', ['-A', '-o', 'args='], { encoding: 'utf8' }).split('\n');
    expect(left.filter((line) => line.includes('engine/worker.js smallest'))).toEqual([]);
  });

  it('refuses what it does not know', { timeout: TIMEOUT_MS }, async () => {
    const { code, out, err } = await bench(['engines', '--out', folder]);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('There is no chapter "engines".');
  });
});

describe('a station', () => {
  const HARNESS = pathToFileURL(join(ROOT, 'lab/dist/bench/harness/station.js')).href;
  const worker = (): URL => {
    const file = join(folder, 'worker.mjs');
    writeFileSync(file, `import { serve } from ${JSON.stringify(HARNESS)};
serve(async (question) => {
  if (question === 'throw') throw new Error('it threw');
  if (question === 'crash') { console.error('no more'); process.exit(3); }
  if (question === 'spin') for (;;);
  if (question === 'sleep') return new Promise(() => setInterval(() => undefined, 1000));
  return [question, process.pid];
});\n`);
    return pathToFileURL(file);
  };
  const load = async (): Promise<typeof Harness> => await import(/* @vite-ignore */ HARNESS) as typeof Harness;

  it('is one process that answers question after question', async () => {
    const { Station } = await load();
    const station = new Station(worker());
    const [first, pid] = await station.ask<[string, number]>('a');
    await expect(station.ask('throw')).rejects.toThrow('it threw');
    expect([first, await station.ask('b')]).toEqual(['a', ['b', pid]]);
    await station.close();
    expect(() => process.kill(pid, 0)).toThrow();
    await expect(station.ask('c')).rejects.toThrow('ended');
  });

  it('says how it came to its end', async () => {
    const { Station } = await load();
    const station = new Station(worker());
    await expect(station.ask('crash')).rejects.toThrow('its process ended (exit code 3): no more');
    await station.close();
  });

  it('is stopped when an answer takes too long', async () => {
    const { Station } = await load();
    const idle = new Station(worker());
    await expect(idle.ask('sleep', { wallMs: 200 })).rejects.toMatchObject({ name: 'TooSlow', words: 'stopped after 0.2 s' });
    await idle.close();
  });

  it.runIf(process.platform === 'linux')('is stopped when an answer takes too much CPU, however long that is', async () => {
    const { Station } = await load();
    const busy = new Station(worker());
    await expect(busy.ask('spin', { cpuMs: 200 })).rejects.toMatchObject({ name: 'TooSlow', words: 'over 0.2 s of CPU' });
    await busy.close();
  });
});

describe('a run', () => {
  const silent = new Screen({ write: () => true }, { live: false, unicode: true, color: false });
  const options = (args: readonly string[], chapters: readonly Chapter[]): BenchOptions => {
    const parsed = optionsFrom([...args, '--out', folder], { chapters });
    if (parsed === 'help') throw new Error('no run');
    return parsed;
  };
  const chapterOf = (name: string, result: () => ChapterResult): Chapter => ({
    name, title: name, about: '', contenders: [name], run: () => new Promise((resolve) => { resolve(result()); }),
  });
  const go = (chapters: readonly Chapter[], ...args: string[]): Promise<number> =>
    run(chapters, options(args, chapters), silent, new AbortController().signal);
  const written = (name: string): BenchResult => JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as BenchResult;

  it('exits with 1 when a contender failed, and has all the rest', async () => {
    const whole = { ...sample, failures: [] };
    const chapters = [chapterOf('one', () => sample), chapterOf('two', () => whole)];
    expect(await go(chapters)).toBe(1);
    expect(written('bench').chapters).toHaveLength(2);
    expect(await go(chapters, 'two')).toBe(0);
    expect(existsSync(join(folder, 'bench-two.html'))).toBe(true);
  });

  it('goes on after a chapter that fails as a whole', async () => {
    const broken = chapterOf('one', () => { throw new Error('no server'); });
    expect(await go([broken, chapterOf('two', () => sample)])).toBe(1);
    const [first, second] = written('bench').chapters;
    expect(first?.failures[0]).toContain('no server');
    expect(second?.sections).toHaveLength(1);
  });

  it('leaves out chapters in which nobody was asked for', async () => {
    expect(await go([chapterOf('one', () => sample), chapterOf('two', () => ({ ...sample, failures: [] }))], '--only', 'two')).toBe(0);
    expect(readdirSync(folder).sort()).toEqual(['bench-two.html', 'bench-two.json']);
  });
});
