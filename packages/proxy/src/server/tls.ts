// TLS towards a server, by sslmode: which of them begins with TLS, which may go on without, and what of the certificate is checked.

import { readFileSync } from 'node:fs';
import { isIP, type Socket } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { Values } from '../config/settings.ts';

export type SslMode = Values['server_tls_sslmode'];

export function triesTls(mode: SslMode): boolean {
  return mode !== 'disable' && mode !== 'allow';
}

/** Whether a server that has no TLS will do. */
export function takesPlain(mode: SslMode): boolean {
  return mode === 'disable' || mode === 'allow' || mode === 'prefer';
}

export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly ciphers?: string;
  readonly protocols: string;
}

/** Versions of TLS by `secure`, `all`, `default`, `legacy`, or a list of versions. */
export function versionsOf(protocols: string): Pick<ConnectionOptions, 'minVersion' | 'maxVersion'> {
  const words = protocols.toLowerCase().split(/[\s,:]+/);
  const all = [...['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const];
  if (words.some((word) => word === 'all' || word === 'legacy')) return { minVersion: 'TLSv1', maxVersion: 'TLSv1.3' };
  const named = all.filter((version) => words.includes(version.toLowerCase()) || (version === 'TLSv1' && words.includes('tlsv1.0')));
  if (named.length === 0) return { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' };
  return { minVersion: named[0]!, maxVersion: named.at(-1)! };
}

/** Wraps a connected socket; resolves when the server's certificate has been found good enough for the mode. */
export function secure(socket: Socket, host: string, mode: SslMode, files: TlsFiles): Promise<TLSSocket> {
  const checked = mode === 'verify-ca' || mode === 'verify-full';
  const options: ConnectionOptions = {
    socket,
    rejectUnauthorized: checked,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    ...(files.ca === undefined ? {} : { ca: readFileSync(files.ca) }),
    ...(files.cert === undefined ? {} : { cert: readFileSync(files.cert) }),
    ...(files.key === undefined ? {} : { key: readFileSync(files.key) }),
    ...(files.ciphers === undefined ? {} : { ciphers: files.ciphers }),
    ...versionsOf(files.protocols),
  };
  return new Promise((resolve, reject) => {
    const secured = connect(options, () => {
      secured.removeListener('error', reject);
      resolve(secured);
    });
    secured.once('error', reject);
  });
}
