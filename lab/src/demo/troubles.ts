// What can stand in the way on somebody else's machine, in words that say what to do about it.
import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { count } from '../drawing/format.ts';
import { Trouble } from '../trouble.ts';

export interface Machine {
  readonly nodeVersion: string;
  readonly freeDiskBytes: number | undefined;
  readonly freeMemoryBytes: number | undefined;
  readonly folder: string;
}

const MB = 1024 * 1024;
const DISK_MB = 250;
const MEMORY_MB = 200;

export function thisMachine(): Machine {
  const folder = tmpdir();
  return { nodeVersion: process.versions.node, freeDiskBytes: freeDisk(folder), freeMemoryBytes: process.availableMemory?.(), folder };
}

/** Throws a Trouble if it is clear beforehand that it cannot work. */
export function check(machine: Machine): void {
  const [major = 0, minor = 0] = machine.nodeVersion.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Trouble(`This is Node ${machine.nodeVersion}; the demo needs 20.19 or later.`, 'Install a current Node, then run it again.');
  }
  if (machine.freeDiskBytes !== undefined && machine.freeDiskBytes < DISK_MB * MB) {
    throw new Trouble(
      `There are ${count(machine.freeDiskBytes / MB)} MB free below ${machine.folder}; ` +
        `the database needs about ${DISK_MB} MB for a minute.`,
      'Free some space, or set TMPDIR to a folder on another disk.',
    );
  }
  if (machine.freeMemoryBytes !== undefined && machine.freeMemoryBytes < MEMORY_MB * MB) {
    throw new Trouble(
      `There are ${count(machine.freeMemoryBytes / MB)} MB of memory free; PostgreSQL and a thousand users need about ${MEMORY_MB} MB.`,
      'Close something, give the container more memory, or try --users 100.',
    );
  }
}

/** Of what PostgreSQL, the system or Node say when a resource is missing. The first that fits is the one that is shown. */
const KNOWN: readonly (readonly [pattern: RegExp, message: string, remedy: string])[] = [
  [/No space left on device|ENOSPC|could not (extend|write).*No space/i,
    'There is no space left on the disk (or in the shared memory of this container).',
    'Free some space, set TMPDIR to a folder on another disk, or start the container with a larger --shm-size.'],
  [/Cannot allocate memory|ENOMEM|could not (map|create|reserve) .*shared memory|out of memory/i,
    'There is not enough memory to start PostgreSQL.', 'Close something, or give the container more memory.'],
  [/could not bind|EADDRINUSE|No free TCP port|could not create any TCP/i,
    'No port of 127.0.0.1 could be had for the database.',
    'Something took it at the same moment, or networking is not allowed here: run it again.'],
  [/EADDRNOTAVAIL/,
    'There are no local ports left for new connections.',
    'Wait a minute until the sockets in TIME_WAIT are gone, and run it again.'],
  [/EMFILE|ENFILE|too many open files/i,
    'There are not enough file descriptors for a thousand connections.',
    'Run `ulimit -n 4096` first, or try --users 100.'],
  [/EAGAIN|could not fork|Resource temporarily unavailable/i,
    'The system does not allow as many processes as PostgreSQL needs.',
    'Raise the limit of processes (`ulimit -u`, or --pids-limit of the container).'],
  [/EROFS|Read-only file system/i, 'The folder for temporary files is read-only.', 'Set TMPDIR to a folder that can be written to.'],
  [/noexec|spawn .*(EACCES|ENOEXEC|EPERM)/i,
    'PostgreSQL\'s programs may not be run from where they are installed.',
    'Is the checkout on a disk that is mounted with noexec? Clone it elsewhere.'],
  [/(spawn|exec).*ENOENT|GLIBC|ld-linux|error while loading shared libraries|not found.*\.so/i,
    'PostgreSQL\'s programs do not run on this system: they need glibc, which musl-based systems such as Alpine lack.',
    'Use an image based on Debian, Ubuntu or Fedora, for example node:22-slim.'],
  [/EACCES|EPERM|permission denied/i, 'A permission is missing.', 'Set TMPDIR to a folder of your own, and see the message below.'],
];

/** A Trouble for what can be recognized, anything else as it is. */
export function explain(error: unknown): unknown {
  if (error instanceof Trouble) return error;
  const text = chain(error);
  if (/embedded PostgreSQL for|not on Windows/.test(text)) {
    const remedy = `This is ${process.platform}-${process.arch}. The tests that need no database run everywhere: npm test.`;
    return new Trouble((error as Error).message, remedy, 1, error);
  }
  for (const [pattern, message, remedy] of KNOWN) {
    if (pattern.test(text)) return new Trouble(message, remedy, 1, error);
  }
  return error;
}

function chain(error: unknown): string {
  const parts: string[] = [];
  for (let current = error; current instanceof Error && parts.length < 5; current = current.cause) {
    const { code } = current as { code?: unknown };
    parts.push(current.message, typeof code === 'string' ? code : '');
  }
  return parts.join('\n');
}

function freeDisk(folder: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return undefined; // not to be had here; the server will say if there is too little
  }
}
