// What the house's scripts have in common: running programs, and saying plainly what happened.

import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

/** The root of the checkout. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/**
 * Runs a program to its end and resolves with `{ code, output }`; never rejects for a code other than 0. Options: `cwd` (default: the
 * root), `env` (added to ours), `live` (also print the output as it comes).
 */
export function run(program, args, { cwd = root, env = {}, live = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (stream) => (chunk) => {
      output += chunk;
      if (live) stream.write(chunk);
    };
    child.stdout.setEncoding('utf8').on('data', take(process.stdout));
    child.stderr.setEncoding('utf8').on('data', take(process.stderr));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: code ?? 1, output: signal === null ? output : `${output}\nended by ${signal}` }));
  });
}

/** {@link run}, but a code other than 0 throws with the program's output. Resolves with the output. */
export async function must(program, args, options) {
  const { code, output } = await run(program, args, options);
  if (code !== 0) throw new Error(`${[program, ...args].join(' ')} exited with ${code}\n${output}`);
  return output;
}

/** npm, on any platform, as `[program, args]`: by the script that runs us where there is one, else by name. */
export function npm(...args) {
  const script = process.env.npm_execpath;
  return script?.endsWith('.js') ? [process.execPath, [script, ...args]] : [process.platform === 'win32' ? 'npm.cmd' : 'npm', args];
}

/** A JavaScript tool of ours by the path of its script below node_modules, run by this Node: `[program, args]`. */
export function tool(path, ...args) {
  return [process.execPath, [join(root, 'node_modules', path), ...args]];
}

/** Milliseconds since `start` (of `performance.now()`), for people: `840 ms`, `12.4 s`. */
export function took(start) {
  const ms = performance.now() - start;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Rows of text as a table with aligned columns; the first row is the heading. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) => row.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd();
  return [line(rows[0]), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.slice(1).map(line)].join('\n');
}
