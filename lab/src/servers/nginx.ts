// A private nginx: one process, everything in its own folder.
import { existsSync } from 'node:fs';
import { startProgram, type ProgramServer } from './program.ts';

export type { ProgramServer } from './program.ts';

export interface NginxOptions {
  /** Lines of the `server` block, such as `keepalive_timeout 1s 1s;` and `location / { return 200 "hello"; }`. */
  readonly server: readonly string[];
  /** Lines of the `http` block: `upstream`, say. */
  readonly http?: readonly string[];
  /** Certificate and key in PEM: the port speaks TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** The port speaks HTTP/2 (over TLS by ALPN, otherwise with prior knowledge only). Default false. */
  readonly http2?: boolean;
}

const PLACES = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/opt/homebrew/bin/nginx', '/usr/local/bin/nginx'];
const PROGRAM = PLACES.find((path) => existsSync(path));

export function hasNginx(): boolean {
  return PROGRAM !== undefined;
}

/** Starts it and resolves when it takes connections. */
export function startNginx({ server, http = [], tls, http2 = false }: NginxOptions): Promise<ProgramServer> {
  if (PROGRAM === undefined) throw new Error('nginx is not installed on this machine.');
  return startProgram({
    name: 'nginx',
    prepare({ folder, port, write }) {
      const ssl = tls === undefined ? [] : [
        `ssl_certificate ${write('cert.pem', tls.cert)};`, `ssl_certificate_key ${write('key.pem', tls.key)};`,
      ];
      const listen = `listen 127.0.0.1:${port}${tls === undefined ? '' : ' ssl'}${http2 ? ' http2' : ''};`;
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`);
      const config = write('nginx.conf', `${[
        'daemon off;', 'master_process off;', `pid ${folder}/pid;`, `error_log ${folder}/log notice;`,
        'events { worker_connections 1024; }',
        'http {', ...temporary, `access_log ${folder}/access;`, ...http, 'server {', listen, ...ssl, ...server, '}', '}',
      ].join('\n')}\n`);
      return { command: PROGRAM, args: ['-c', config, '-p', folder, '-e', `${folder}/log`] };
    },
  });
}
