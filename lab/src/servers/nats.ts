// A private NATS server with JetStream.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { startProgram, type ProgramServer } from './program.ts';

const PLACES = ['/usr/sbin/nats-server', '/usr/local/bin/nats-server', '/usr/bin/nats-server', '/opt/homebrew/bin/nats-server'];
const PROGRAM = PLACES.find((path) => existsSync(path));

export function hasNats(): boolean {
  return PROGRAM !== undefined;
}

/** Starts it and resolves when it takes connections. What was stored survives a restart. */
export function startNats(): Promise<ProgramServer> {
  if (PROGRAM === undefined) throw new Error('nats-server is not installed on this machine.');
  return startProgram({
    name: 'nats',
    prepare: ({ folder, port }) => ({
      command: PROGRAM,
      args: [
        '--addr', '127.0.0.1', '--port', String(port), '--jetstream', '--store_dir', join(folder, 'store'), '--log', join(folder, 'log'),
      ],
    }),
  });
}
