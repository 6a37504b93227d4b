// A private HAProxy in front of one server.
import { existsSync } from 'node:fs';
import { startProgram, type ProgramServer } from './program.ts';

export interface HaproxyOptions {
  /** Where it passes requests on to, on this machine. */
  readonly backendPort: number;
  /** Lines of the `frontend`, such as `timeout http-keep-alive 1s`. */
  readonly frontend?: readonly string[];
  /** Lines of the `backend`. */
  readonly backend?: readonly string[];
}

const PLACES = ['/usr/sbin/haproxy', '/usr/local/sbin/haproxy', '/opt/homebrew/bin/haproxy', '/usr/local/bin/haproxy'];
const PROGRAM = PLACES.find((path) => existsSync(path));

export function hasHaproxy(): boolean {
  return PROGRAM !== undefined;
}

/** Starts it and resolves when it takes connections. */
export function startHaproxy({ backendPort, frontend = [], backend = [] }: HaproxyOptions): Promise<ProgramServer> {
  if (PROGRAM === undefined) throw new Error('HAProxy is not installed on this machine.');
  return startProgram({
    name: 'haproxy',
    prepare({ port, write }) {
      const config = write('haproxy.cfg', `${[
        'global', '  maxconn 500',
        'defaults', '  mode http', '  timeout connect 5s', '  timeout client 60s', '  timeout server 60s',
        'frontend front', `  bind 127.0.0.1:${port}`, ...frontend.map((line) => `  ${line}`), '  default_backend back',
        'backend back', ...backend.map((line) => `  ${line}`), `  server one 127.0.0.1:${backendPort}`,
      ].join('\n')}\n`);
      return { command: PROGRAM, args: ['-db', '-f', config] };
    },
  });
}
