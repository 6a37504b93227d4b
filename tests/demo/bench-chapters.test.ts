// The chapters of the benchmark about one kind of connection, built, each on its own server, with few of their contenders and as short as
// they can be: that they measure those everywhere, find every answer right, and hold them against each other.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { redisVersion } from '@millpond/lab/redis';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ChapterResult } from '../../lab/src/bench/chapter.ts';
import { mariadbIsThere } from '../support/mariadb.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const runFile = promisify(execFile);

function redisIsThere(): boolean {
  if (redisVersion() !== undefined) return true;
  const message = 'Redis (redis-server) is not on this machine: the test of its chapter of the benchmark is left out.';
  if (process.env['CI'] === 'true') throw new Error(`${message} In CI it must be there.`);
  process.stderr.write(`\n!!! ${message}\n\n`);
  return false;
}

async function run(chapter: string, name: string, only: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ChapterResult> {
  const file = pathToFileURL(join(ROOT, `lab/dist/bench/${chapter}/chapter.js`)).href;
  const program = `
    import { ${name} } from ${JSON.stringify(file)};
    const result = await ${name}.run({
      quick: true, rounds: 1, only: ${JSON.stringify([...only, 'of another chapter'])},
      signal: new AbortController().signal, progress: () => undefined,
    });
    process.stdout.write(JSON.stringify(result), () => process.exit());`;
  const { stdout } = await runFile(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: ROOT, env: { ...process.env, ...env }, maxBuffer: 2 ** 24,
  });
  return JSON.parse(stdout) as ChapterResult;
}

describe('a chapter of the benchmark', () => {
  beforeAll(() => {
    const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
    execFileSync(process.execPath, [compiler, '-b', 'lab'], { cwd: ROOT, stdio: 'pipe' });
  });

  it.each([
    {
      chapter: 'redis', name: 'redisChapter', there: redisIsThere, sections: ['redis-get'], targets: 3,
      only: ['node-redis-no-timer', 'ioredis', 'node-redis-pool', 'generic-pool', 'millpond', 'millpond-ioredis'],
    },
    {
      chapter: 'mysql', name: 'mysqlChapter', there: mariadbIsThere, sections: ['mysql-query', 'mysql-execute'], targets: 4,
      only: ['mysql2', 'millpond-mysql2', 'millpond'],
    },
    {
      chapter: 'http', name: 'httpChapter', there: () => true, sections: ['http-plain', 'http-tls'], targets: 4,
      only: ['connection-per-request', 'node-agent', 'millpond', 'undici', 'millpond-undici', 'millpond-fetch'],
    },
    {
      chapter: 'drop-ins', name: 'dropInsChapter', there: () => true, sections: ['drop-ins-alone', 'drop-ins-crowd', 'drop-ins-pg'],
      targets: 4, only: ['pg-pool', 'millpond-pg-pool'],
    },
  ])('about $chapter measures those it is asked for, and compares them', async ({ chapter, name, there, sections: ids, targets, only }) => {
    if (!there()) return;
    const { sections, failures } = await run(chapter, name, only);
    expect(failures).toEqual([]);
    expect(sections.map(({ id }) => id)).toEqual(ids);
    for (const { id, rows } of sections) {
      expect(rows, id).toHaveLength(only.length);
      for (const { contender, cells } of rows) {
        const figures = Object.values(cells).filter((cell) => cell !== undefined);
        expect(figures.length, `${id}: ${contender}`).toBeGreaterThan(0);
        for (const { low, median } of figures) expect(low, `${id}: ${contender}`).toBeLessThanOrEqual(median);
        if ('perSecond' in cells) expect(cells['perSecond']?.median, `${id}: ${contender}`).toBeGreaterThan(0);
      }
    }
    const all = sections.flatMap((section) => section.targets);
    expect(all).toHaveLength(targets);
    for (const { text, value } of all) expect(value, text).toBeGreaterThan(0);
  });

  it('whose server is missing is left out, and says what to install', async () => {
    const nowhere = mkdtempSync(join(tmpdir(), 'bench-test-'));
    try {
      const { sections, notes, failures } = await run('redis', 'redisChapter', [], { PATH: nowhere });
      expect({ sections, failures }).toEqual({ sections: [], failures: [] });
      expect(notes).toEqual([expect.stringMatching(/^Left out: Redis .*apt-get install redis-server/)]);
    } finally {
      rmSync(nowhere, { recursive: true, force: true });
    }
  });
});
