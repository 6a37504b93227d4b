// Where the page goes. Asked before the run: to hear after a minute that it cannot be written would be too late.
import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Trouble } from '../trouble.ts';

/** In the checkout, where git ignores it. */
const DEFAULT = fileURLToPath(new URL('../../out/demo.html', import.meta.url));

/** The file that was asked for, or the usual one, or one in the temporary folder if the checkout is read-only. */
export function htmlFile(asked: string | undefined): string {
  if (asked === undefined) return problem(DEFAULT) === undefined ? DEFAULT : join(tmpdir(), 'millpond-demo.html');
  const file = resolve(asked);
  const error = problem(file);
  if (error) throw new Trouble(`The page cannot be written to ${file}.`, 'Give --html another file.', 2, error);
  return file;
}

function problem(file: string): Error | undefined {
  try {
    mkdirSync(dirname(file), { recursive: true });
    const there = statSync(file, { throwIfNoEntry: false });
    if (there && !there.isFile()) return new Error('There is something of that name that is not a file.');
    accessSync(there ? file : dirname(file), constants.W_OK);
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
