// Where results go: JSON and page in one folder, and the tables between the marks in the documents.
import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Trouble } from '../../trouble.ts';
import type { BenchResult } from '../results.ts';
import { withTables } from './markdown.ts';
import { page } from './page.ts';

export interface OutputFiles {
  readonly json: string;
  readonly html: string;
}

const DOCUMENTS = ['README.md', 'docs/guide/metrics.md', 'docs/guide/speed.md', 'docs/guide/tcp.md'];

/** Asked before the run: to hear after minutes that it cannot be written would be too late. A part of the chapters has files of its own. */
export function outputFiles(root: string, asked: string | undefined, part: readonly string[]): OutputFiles {
  const folder = asked === undefined ? join(root, 'lab/out') : resolve(asked);
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw new Trouble(`Results cannot be written to ${folder}.`, 'Give --out another folder.', 2, error);
  }
  const name = ['bench', ...part].join('-');
  return { json: join(folder, `${name}.json`), html: join(folder, `${name}.html`) };
}

export function writeResult(files: OutputFiles, result: BenchResult): void {
  writeFileSync(files.json, `${JSON.stringify(result, null, 2)}\n`);
  writeFileSync(files.html, page(result));
}

/** What was done to each document, a line each. */
export function updateDocuments(root: string, result: BenchResult): string[] {
  return DOCUMENTS.map((name) => {
    const file = join(root, name);
    if (!existsSync(file)) return `${name}: not there`;
    const before = readFileSync(file, 'utf8');
    const { text, found, missing } = withTables(before, result);
    if (found === 0) return `${name}: has no marks`;
    if (text !== before) writeFileSync(file, text);
    const kept = missing.length > 0 ? `; kept what it had for ${missing.join(', ')}` : '';
    return `${name}: ${found - missing.length} of ${found} tables written${kept}`;
  });
}
