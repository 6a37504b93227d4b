// TLS towards clients: the context that the settings describe, and the handshake. Settings may change at any time, by RELOAD or one by one
// by SET, and files may not fit each other in between: the last ones that did are kept until others do.

import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import { fileNamed } from '../config/paths.ts';
import type { Values } from '../config/settings.ts';
import type { Log } from '../log.ts';
import { versionsOf } from '../server/tls.ts';

/** What clients of PostgreSQL that begin with TLS at once say they want to speak. */
export const ALPN = 'postgresql';

const OF_TLS = [
  'auth_type', 'client_tls_sslmode', 'client_tls_cert_file', 'client_tls_key_file', 'client_tls_ca_file', 'client_tls_ciphers', 'client_tls13_ciphers',
  'client_tls_protocols', 'client_tls_ecdhcurve', 'client_tls_dheparams',
] as const satisfies readonly (keyof Values)[];

interface Waiting {
  readonly resolve: (socket: TLSSocket) => void;
  readonly reject: (error: Error) => void;
}

export class ClientTls {
  readonly #log: Log;
  readonly #waiting = new Map<string, Waiting>();
  #server: Server | undefined = undefined;
  /** The settings that the server was made of, or could not be made of. */
  #made = '';

  constructor(log: Log) {
    this.#log = log;
  }

  /** Reads the files. Throws what is wrong with them. */
  load(values: Values): void {
    this.#made = keyOf(values);
    if (values.auth_type === 'cert' && values.client_tls_sslmode !== 'verify-full') {
      throw new Error('auth_type=cert requires client_tls_sslmode=verify-full');
    }
    const server = values.client_tls_sslmode === 'disable' ? undefined : createServer(optionsOf(values));
    server?.on('secureConnection', (socket) => this.#waiting.get(pairOf(socket))?.resolve(socket));
    server?.on('tlsClientError', (error, socket) => this.#waiting.get(pairOf(socket))?.reject(error));
    this.#server = server;
  }

  /** Reads the files again. False: something is wrong with them, and what there was goes on to be used. */
  reload(values: Values): boolean {
    try {
      this.load(values);
      return true;
    } catch (error) {
      this.#log.error(`TLS configuration could not be reloaded, keeping old configuration: ${messageOf(error)}`);
      return false;
    }
  }

  /** Whether clients can have TLS. */
  available(values: Values): boolean {
    if (keyOf(values) !== this.#made) this.reload(values);
    return this.#server !== undefined && values.client_tls_sslmode !== 'disable';
  }

  /** The handshake with a client. Rejects with what went wrong. */
  secure(socket: Socket): Promise<TLSSocket> {
    const server = this.#server;
    const pair = pairOf(socket);
    return new Promise<TLSSocket>((resolve, reject) => {
      if (server === undefined) {
        reject(new Error('TLS is not configured'));
        return;
      }
      // A TLS server, not a TLS socket: only the former looks at a client's certificate. It says who is through by address and port.
      this.#waiting.set(pair, { resolve, reject });
      socket.once('close', () => reject(new Error('the connection was closed')));
      server.emit('connection', socket);
    }).finally(() => this.#waiting.delete(pair));
  }
}

function pairOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

function keyOf(values: Values): string {
  return JSON.stringify(OF_TLS.map((name) => values[name]));
}

function optionsOf(values: Values): TlsOptions {
  const verified = values.client_tls_sslmode === 'verify-ca' || values.client_tls_sslmode === 'verify-full';
  if (values.client_tls_key_file === '' || values.client_tls_cert_file === '') {
    throw new Error('To allow TLS connections from clients, client_tls_key_file and client_tls_cert_file must be set.');
  }
  if (verified && values.client_tls_ca_file === '') throw new Error('client_tls_sslmode requires client_tls_ca_file');
  const ciphers = [
    values.client_tls13_ciphers, values.client_tls_ciphers === 'default' ? '' : values.client_tls_ciphers,
  ].filter((list) => list !== '').join(':');
  const ca = values.client_tls_ca_file;
  const read = (file: string): Buffer => readFileSync(fileNamed(file, values.conffile));
  return {
    cert: read(values.client_tls_cert_file), key: read(values.client_tls_key_file),
    ...(ca === '' ? {} : { ca: read(ca) }),
    // Whoever is known to us may show it in any mode, and only in these two has to.
    requestCert: ca !== '', rejectUnauthorized: verified,
    ...(ciphers === '' ? {} : { ciphers }),
    ...(values.client_tls_ecdhcurve === 'auto' || values.client_tls_ecdhcurve === 'none' ? {} : { ecdhCurve: values.client_tls_ecdhcurve }),
    ...versionsOf(values.client_tls_protocols),
    ALPNProtocols: [ALPN],
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
