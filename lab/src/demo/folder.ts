// A temporary folder of our own, so that whatever is put aside during the run goes with it. Root needs one: a server that may not run as
// root cannot enter a checkout below /root, and works from a copy of its programs, which has no reason to stay.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface OwnFolder {
  /** From here on the end of the process removes it as well. To be called when those who use it have set up their own clearing away. */
  guard(): void;
  remove(): void;
}

/** Makes `tmpdir()` point into it. Only for root: elsewhere paths would only grow, and a socket's path must be short. */
export function ownTemporaryFolder(): OwnFolder {
  if (process.getuid?.() !== 0) return { guard: () => undefined, remove: () => undefined };
  const before = process.env['TMPDIR'];
  const folder = mkdtempSync(join(tmpdir(), 'millpond-demo-'));
  chmodSync(folder, 0o755); // the server's user must get through
  process.env['TMPDIR'] = folder;
  const remove = (): void => {
    rmSync(folder, { recursive: true, force: true });
    process.off('exit', remove);
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  };
  return { guard: () => { process.on('exit', remove); }, remove };
}
