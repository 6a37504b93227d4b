// Starting: what a pool costs before the first query. Functions that are started for each burst, and tools that run for a second, pay this
// and little else.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BenchContext, Chapter, ChapterResult, Column, Row, Section } from '../chapter.ts';
import { exactly, figure, ratio, target } from '../harness/statistics.ts';
import { versionOf } from '../machine.ts';
import { bundleSize, type BundleSize } from './bundle.ts';
import { STARTERS, type Starter } from './contenders.ts';
import type { StartMeasured } from './worker.ts';

const about = 'Import in a fresh process, the first lease there, and what a bundle grows by.';
const WORKER = fileURLToPath(new URL('worker.js', import.meta.url));
const ROUNDS = 7;
const QUICK_ROUNDS = 2;
const LONGEST_MS = 30_000;
const BUDGET_MS = 35_000;

const NOTES: readonly string[] = [
  'Every figure of an import is from a process that had done nothing else; the time Node itself takes to start is not in it. Files are '
    + 'in the system\'s cache.',
  'The first lease is of a resource that needs no I/O: a real one adds its connect, which is the same for all.',
  'Bundles are made by esbuild for Node 20, minified, with everything left out that the import does not reach.',
];

const IMPORT_COLUMNS: readonly Column[] = [
  { id: 'cpu', head: 'import, CPU', unit: 'ms', about: 'CPU time of the import', better: 'less' },
  { id: 'wall', head: 'import, wall', unit: 'ms', about: 'time that passed in the import', better: 'less' },
  { id: 'heap', head: 'heap after it', unit: 'kB', about: 'what the heap grew by, import and first lease', better: 'less' },
  {
    id: 'first', head: 'until the first lease', unit: 'ms', about: 'from before the import to the end of the first lease', better: 'less',
  },
  { id: 'toMillpond', head: '× millpond', unit: '×', about: 'CPU of the import compared with millpond\'s, round by round' },
];

const runFile = promisify(execFile);

async function importSection(context: BenchContext, starters: readonly Starter[]): Promise<Section> {
  const rounds = context.rounds ?? (context.quick ? QUICK_ROUNDS : ROUNDS);
  const measured = new Map<string, StartMeasured[]>();
  const failed = new Map<string, string>();
  const begunMs = performance.now();
  const options = { signal: context.signal, timeout: LONGEST_MS };
  let done = 0;
  // Round 0 brings the files into the system's cache.
  for (let round = 0; round <= rounds; round += 1) {
    if (round > 1 && context.rounds === undefined && ((performance.now() - begunMs) * (round + 1)) / round > BUDGET_MS) break;
    for (const starter of starters.filter(({ id, imports }) => imports.length > 0 && !failed.has(id))) {
      context.signal.throwIfAborted();
      context.progress(`import: ${round === 0 ? 'warming up' : `round ${round} of ${rounds}`}, ${starter.name}`);
      try {
        const { stdout } = await runFile(process.execPath, ['--expose-gc', WORKER, starter.id], options);
        if (round > 0) measured.set(starter.id, [...measured.get(starter.id) ?? [], JSON.parse(stdout) as StartMeasured]);
      } catch (error) {
        context.signal.throwIfAborted();
        failed.set(starter.id, reasonOf(error));
      }
    }
    done = round;
  }
  return {
    id: 'import', title: 'Import, and the first lease',
    note: `In a fresh process each, ${done === 1 ? 'one round' : `${done} rounds`}, in turns.`,
    columns: IMPORT_COLUMNS,
    rows: starters.filter(({ imports }) => imports.length > 0).map((starter) => importRow(starter, measured, failed.get(starter.id))),
    charts: [{ kind: 'bars', title: 'Import', subtitle: 'ms of CPU in a fresh process', column: 'cpu' }],
    targets: [],
  };
}

function importRow(starter: Starter, all: ReadonlyMap<string, StartMeasured[]>, failed: string | undefined): Row {
  const own = all.get(starter.id) ?? [];
  const cpu = own.map(({ importCpuMs }) => importCpuMs);
  return {
    ...rowOf(starter),
    cells: {
      cpu: figure(cpu), wall: figure(own.map(({ importWallMs }) => importWallMs)), heap: figure(own.map(({ heapKb }) => heapKb)),
      first: figure(own.map(({ firstLeaseMs }) => firstLeaseMs ?? NaN)),
      toMillpond: ratio(cpu, (all.get('millpond') ?? []).map(({ importCpuMs }) => importCpuMs)),
    },
    words: starter.engine === undefined ? { first: starter.id === 'undici' ? 'lends nothing' : 'needs a server' } : {},
    ...(failed === undefined ? {} : { failed }),
  };
}

async function bundleSection(context: BenchContext, starters: readonly Starter[]): Promise<Section> {
  const rows: Row[] = [];
  const sizes = new Map<string, BundleSize>();
  const failed = new Map<string, string>();
  for (const { id, name, bundle, external } of starters) {
    context.signal.throwIfAborted();
    context.progress(`bundle: ${name}`);
    try {
      if (bundle !== undefined) sizes.set(id, await bundleSize(bundle, external));
    } catch (error) {
      failed.set(id, reasonOf(error));
    }
  }
  const base = sizes.get('millpond')?.brotliKb;
  for (const starter of starters) {
    const size = sizes.get(starter.id);
    const reason = failed.get(starter.id);
    rows.push({
      ...rowOf(starter),
      cells: size === undefined ? {} : {
        minified: exactly(size.minifiedKb), brotli: exactly(size.brotliKb),
        toMillpond: base === undefined ? undefined : exactly(size.brotliKb / base),
      },
      ...(reason === undefined ? {} : { failed: reason }),
    });
  }
  return {
    id: 'bundle', title: 'What a bundle grows by', note: 'Minified by esbuild for Node, and the same with Brotli. kB are 1000 bytes.',
    columns: [
      { id: 'minified', head: 'minified', unit: 'kB', about: 'as it is loaded', better: 'less' },
      { id: 'brotli', head: 'and Brotli', unit: 'kB', about: 'as it is shipped', better: 'less' },
      { id: 'toMillpond', head: '× millpond', unit: '×', about: 'shipped, compared with millpond' },
    ],
    rows,
    charts: [{ kind: 'bars', title: 'Bundle', subtitle: 'kB, minified and Brotli', column: 'brotli' }],
    targets: target('millpond, every export, kB with Brotli, at most 12', 'atMost', sizes.get('millpond-all')?.brotliKb, 12),
  };
}

function rowOf({ name, from, configuration, lacks, ours }: Starter): Pick<Row, 'contender' | 'about' | 'lacks' | 'ours'> {
  return { contender: name, about: `${from.map((each) => `${each} ${versionOf(each)}`).join(', ')}: ${configuration}`, lacks, ours };
}

async function run(context: BenchContext): Promise<ChapterResult> {
  const starters = STARTERS.filter(({ id }) => context.only.length === 0 || context.only.includes(id));
  const sections = [await importSection(context, starters), await bundleSection(context, starters)];
  const failures = sections.flatMap(({ id, rows }) =>
    rows.flatMap(({ contender, failed }) => failed === undefined ? [] : [`${contender} (${id}): ${failed}`]));
  return { name: 'start', title: startChapter.title, about, sections, notes: NOTES, failures };
}

export const startChapter: Chapter = {
  name: 'start', title: 'Starting: import, first lease, bundle', about, contenders: STARTERS.map(({ id }) => id), run,
};

function reasonOf(error: unknown): string {
  const text = (error as { stderr?: string }).stderr ?? '';
  const line = text.split('\n').find((one) => /error/i.test(one));
  return line ?? (error instanceof Error ? error.message.split('\n')[0] ?? '' : String(error));
}
