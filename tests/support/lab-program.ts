// A program of the lab as a newcomer runs it: built, without a terminal, from its first line to its exit code, with a temporary folder of
// its own in which nothing may be left.
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when that text has been printed, with all that was until then. */
  said(text: string): Promise<string>;
}

export function buildLab(): void {
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [compiler, '-b', 'lab'], { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`The lab does not compile:\n${stdout}`);
}

/** Without a terminal. `main` is the program's file below `lab/dist`. */
export function startProgram(main: string, temporary: string, ...args: string[]): Started {
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...env } = process.env;
  const child = spawn(process.execPath, [join(ROOT, 'lab/dist', main), ...args], {
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
  const said = (words: string): Promise<string> => Promise.race([
    new Promise<string>((resolve) => {
      if (text.out.includes(words)) resolve(text.out);
      else waiting.push({ words, heard: () => resolve(text.out) });
    }),
    ended.then(({ code, err }) => { throw new Error(`ended with ${code} before it said "${words}": ${err}`); }),
  ]);
  return { child, ended, said };
}

/** Command lines of processes that have to do with that folder. */
export function processesOf(folder: string): string[] {
  return execFileSync('ps', ['-A', '-o', 'args='], { encoding: 'utf8' }).split('\n').filter((line) => line.includes(folder));
}
