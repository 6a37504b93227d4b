// The PostgreSQL chapter of the benchmark, built, on its own server, with two of its contenders and as short as it can be: that it measures
// both of them everywhere, finds every answer right, and leaves nothing behind.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ChapterResult } from '../../lab/src/bench/chapter.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CHAPTER = pathToFileURL(join(ROOT, 'lab/dist/bench/postgres/chapter.js')).href;

const PROGRAM = `
  import { postgresChapter } from ${JSON.stringify(CHAPTER)};
  const result = await postgresChapter.run({
    quick: true, rounds: 1, only: ['pg-pool', 'millpond', 'of another chapter'],
    signal: new AbortController().signal, progress: () => undefined,
  });
  console.log(JSON.stringify(result));`;

describe('the PostgreSQL chapter', () => {
  let temporary: string;

  beforeAll(() => {
    const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
    execFileSync(process.execPath, [compiler, '-b', 'lab'], { cwd: ROOT, stdio: 'pipe' });
  });

  beforeEach(() => {
    temporary = mkdtempSync(join(tmpdir(), 'millpond-bench-test-'));
    chmodSync(temporary, 0o755); // where we are root the server runs as somebody else
  });
  afterEach(() => rmSync(temporary, { recursive: true, force: true }));

  it('measures those it is asked for, in each section', () => {
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
      cwd: ROOT, encoding: 'utf8', env: { ...process.env, TMPDIR: temporary }, maxBuffer: 2 ** 24,
    });
    const { sections, failures } = JSON.parse(output) as ChapterResult;
    expect(failures).toEqual([]);
    expect(sections.map(({ id }) => id)).toEqual([
      'pg-select-1', 'pg-by-key', 'pg-tail', 'pg-sizes-busy', 'pg-sizes-waiting', 'pg-failing', 'pg-restart', 'pg-connect', 'pg-fill',
    ]);
    for (const { id, columns, rows } of sections) {
      if (id !== 'pg-connect') expect(rows.map(({ ours }) => ours), id).toEqual([false, true]);
      for (const row of rows) {
        for (const column of columns) {
          const { low, median, high } = row.cells[column.id] ?? { low: 0, median: 0, high: 0 };
          if (row.words?.[column.id] === undefined) expect(row.cells, `${id}: ${row.contender}`).toHaveProperty(column.id);
          expect(low, `${id}: ${row.contender}, ${column.head}`).toBeLessThanOrEqual(median);
          expect(median).toBeLessThanOrEqual(high);
        }
      }
    }
    const targets = sections.flatMap((section) => section.targets);
    expect(targets.map(({ text }) => text)).toContainEqual(expect.stringMatching(/^SELECT 1: millpond at least pg\.Pool/));
    expect(targets.filter(({ text }) => text.includes('connects at once'))).toMatchObject([{ holds: true }, { holds: true }]);
    expect(readdirSync(temporary)).toEqual([]);
  });
});
