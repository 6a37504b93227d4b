// Where and when a result comes from. Absolute figures move between machines; without this they say nothing.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, release, totalmem, type as systemName } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  readonly v8: string;
}

export interface Origin {
  readonly machine: Machine;
  /** Over the last minute, before the first and after the last chapter. */
  readonly load: { readonly start: number; readonly end: number };
  /** '1a2b3c4d5e', '1a2b3c4d5e + changes', 'no git'. */
  readonly commit: string;
  /** ISO 8601. */
  readonly date: string;
  readonly tookMs: number;
  /** Of everything that takes part. */
  readonly versions: Readonly<Record<string, string>>;
}

export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown', cores: availableParallelism(), memoryBytes: totalmem(),
    system: `${systemName()} ${release()} ${arch()}`, node: process.versions.node, v8: process.versions.v8,
  };
}

export function loadNow(): number {
  return loadavg()[0] ?? NaN;
}

export function commitOf(folder: string): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const commit = git('rev-parse', '--short=10', 'HEAD').trim();
    return git('status', '--porcelain', '--untracked-files=no').trim() === '' ? commit : `${commit} + changes`;
  } catch {
    return 'no git';
  }
}

/** The version that is installed, read from the package's manifest; '' where there is none. */
export function versionOf(name: string): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, 'node_modules', name, 'package.json');
    if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { version?: string }).version ?? '';
    if (folder === dirname(folder)) return '';
  }
}
