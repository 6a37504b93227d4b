// TLS towards a server, by sslmode: which of them begins with TLS, which may go on without, and what of the certificate is checked.

import { readFileSync } from 'node:fs';
import { isIP, type Socket } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { DatabaseConfig } from '../config/config.ts';
import { fileNamed } from '../config/paths.ts';
import type { Values } from '../config/settings.ts';

export type SslMode = Values['server_tls_sslmode'];

export function triesTls(mode: SslMode): boolean {
  return mode !== 'disable' && mode !== 'allow';
}

/** Whether a server that has no TLS will do. */
export function takesPlain(mode: SslMode): boolean {
  return mode === 'disable' || mode === 'allow' || mode === 'prefer';
}

export interface ServerTls {
  readonly mode: SslMode;
  /** Files; empty: none. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** Empty: those of Node. */
  readonly ciphers: string;
  readonly protocols: string;
}

/** What a database says of it, and for the rest what is said of all. */
export function serverTls(database: DatabaseConfig, values: Values): ServerTls {
  const named = (file: string): string => (file === '' ? '' : fileNamed(file, values.conffile));
  const ciphers = [values.server_tls13_ciphers, database.tlsCiphers ?? values.server_tls_ciphers];
  return {
    mode: database.tlsSslMode ?? values.server_tls_sslmode,
    ca: named(database.tlsCaFile ?? values.server_tls_ca_file),
    cert: named(database.tlsCertFile ?? values.server_tls_cert_file),
    key: named(database.tlsKeyFile ?? values.server_tls_key_file),
    ciphers: ciphers.filter((list) => list !== '' && list !== 'default').join(':'),
    protocols: database.tlsProtocols ?? values.server_tls_protocols,
  };
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
export function secure(socket: Socket, host: string, { mode, ca, cert, key, ciphers, protocols }: ServerTls): Promise<TLSSocket> {
  const checked = mode === 'verify-ca' || mode === 'verify-full';
  const options: ConnectionOptions = {
    socket,
    // What the certificate is compared with; without it Node would take `localhost` for an address.
    host,
    rejectUnauthorized: checked,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    ...(ca === '' ? {} : { ca: readFileSync(ca) }),
    ...(cert === '' ? {} : { cert: readFileSync(cert) }),
    ...(key === '' ? {} : { key: readFileSync(key) }),
    ...(ciphers === '' ? {} : { ciphers }),
    ...versionsOf(protocols),
  };
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      // What Node finds out about a certificate has a code of OpenSSL's verification, which is neither of a library nor of the system.
      const ofCertificate = error.syscall === undefined && !/^E(?:RR_SSL|PROTO|CONN|PIPE)/.test(error.code ?? 'EPROTO');
      const what = ofCertificate ? 'certificate verify failed: ' : '';
      reject(new Error(`TLS handshake failed: ${what}${error.message}`, { cause: error }));
    };
    const secured = connect(options, () => {
      secured.removeListener('error', failed);
      resolve(secured);
    });
    secured.once('error', failed);
  });
}
