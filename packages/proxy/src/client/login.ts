// A client from its first byte to the end of its authentication: TLS, the startup packet or a cancel in its place, and the proof of who
// it is. What goes wrong is a {@link Refused}, which says what the client is told.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket, type SecureContext } from 'node:tls';
import type { Values } from '../config/settings.ts';
import { Inbox } from '../wire/pg/inbox.ts';
import { isMd5Secret, md5Answer, md5Secret } from '../wire/pg/md5.ts';
import { startupParameters } from '../wire/pg/read.ts';
import {
  makeSecret, MECHANISM, mockSecret, parseSecret, ScramError, ScramServer, verifyPassword, type ClientKeys, type ScramSecret,
} from '../wire/pg/scram.ts';
import { AUTH, CANCEL_REQUEST, FROM_CLIENT, GSS_REQUEST, PROTOCOL_3_0, SSL_REQUEST } from '../wire/pg/types.ts';
import { authentication, authenticationSasl, negotiateProtocolVersion, type Report } from '../wire/pg/write.ts';

export type AuthType = Values['auth_type'];

/** The client is told this, and disconnected. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly report: Report;

  constructor(message: string, code = '08P01') {
    super(message);
    this.report = { severity: 'FATAL', code, message };
  }
}

/** Somebody who wants a session. */
export interface Startup {
  readonly kind: 'startup';
  readonly socket: Socket;
  readonly inbox: Inbox;
  readonly parameters: Map<string, string>;
  readonly tls: boolean;
}

export type Opening = { readonly kind: 'cancel'; readonly key: Buffer } | Startup;

export interface OpeningOptions {
  readonly sslMode: Values['client_tls_sslmode'];
  readonly context: SecureContext | undefined;
}

/** Reads up to the startup packet. */
export async function open(plain: Socket, { sslMode, context }: OpeningOptions): Promise<Opening> {
  let socket = plain;
  let inbox = new Inbox(socket);
  let tls = false;
  for (;;) {
    const { code, body } = await inbox.nextPacket();
    switch (code) {
      case SSL_REQUEST: {
        if (tls) throw new Refused('SSL req inside SSL');
        // Whatever stands behind the request was not encrypted, and would be taken for something that was (CVE-2021-3935).
        if (inbox.buffered > 0) throw new Refused('received unencrypted data after SSL request');
        if (context === undefined || sslMode === 'disable') {
          socket.write('N');
          break;
        }
        inbox.release();
        socket.write('S');
        socket = await secured(socket, context, sslMode);
        inbox = new Inbox(socket);
        tls = true;
        break;
      }
      case GSS_REQUEST:
        socket.write('N');
        break;
      case CANCEL_REQUEST: return { kind: 'cancel', key: Buffer.from(body.rest()) };
      default: {
        if (!tls && (sslMode === 'require' || sslMode === 'verify-ca' || sslMode === 'verify-full')) throw new Refused('SSL required');
        if (code >> 16 !== 3) throw new Refused('old V2 protocol not supported');
        const parameters = startupParameters(body);
        const options = [...parameters.keys()].filter((name) => name.startsWith('_pq_.'));
        if (code !== PROTOCOL_3_0 || options.length > 0) socket.write(negotiateProtocolVersion(PROTOCOL_3_0, options));
        for (const name of options) parameters.delete(name);
        return { kind: 'startup', socket, inbox, parameters, tls };
      }
    }
  }
}

function secured(socket: Socket, secureContext: SecureContext, sslMode: string): Promise<TLSSocket> {
  const verified = sslMode === 'verify-ca' || sslMode === 'verify-full';
  return new Promise((resolve, reject) => {
    const wrapped = new TLSSocket(socket, { isServer: true, secureContext, requestCert: verified, rejectUnauthorized: verified });
    wrapped.once('error', reject);
    wrapped.once('secure', () => {
      wrapped.off('error', reject);
      if (verified && !wrapped.authorized) reject(new Refused('TLS handshake failed: the certificate is not trusted'));
      else resolve(wrapped);
    });
  });
}

export interface Who {
  readonly user: string;
  /** As the authentication file or query has it; undefined: nobody knows this user. */
  readonly secret: string | undefined;
  /** The common name of the client's certificate, if it has shown one that is trusted. */
  readonly certificateName: string | undefined;
}

export interface AuthOptions {
  readonly authType: AuthType;
  /** For mock secrets: the same as long as the process runs. */
  readonly mockKey: Buffer;
  readonly scramIterations: number;
  /** Secrets that were made of plain passwords, by user and password. */
  readonly made: Map<string, Promise<ScramSecret>>;
}

/** What a client has shown that can be used to log in at a server. */
export interface Shown {
  readonly password?: string;
  readonly clientKeys?: ClientKeys;
}

const FAILED = 'password authentication failed';

/**
 * Has the client prove that it is who it says. Rejects with {@link Refused}: the same for a user that is not there and for a wrong
 * password.
 */
export async function authenticate(socket: Socket, inbox: Inbox, who: Who, options: AuthOptions): Promise<Shown> {
  const { secret, user } = who;
  switch (options.authType) {
    case 'any': case 'trust': return {};
    case 'cert':
      if (who.certificateName !== user) throw new Refused('TLS certificate name mismatch', '28000');
      return {};
    case 'plain': {
      socket.write(authentication(AUTH.cleartext));
      const given = await answer(inbox);
      const password = given.subarray(0, Math.max(0, given.length - 1)).toString();
      if (!(await matches(secret, user, password))) throw new Refused(FAILED, '28P01');
      return { password };
    }
    case 'md5':
      // Whoever has a SCRAM secret cannot answer with md5.
      if (secret !== undefined && parseSecret(secret) !== undefined) return scram(socket, inbox, who, options);
      return md5(socket, inbox, who);
    case 'scram-sha-256': return scram(socket, inbox, who, options);
    case 'hba': throw new Refused('auth_type hba is not supported yet', '28000');
  }
}

async function answer(inbox: Inbox): Promise<Buffer> {
  const { type, body } = await inbox.next();
  if (type !== FROM_CLIENT.password) throw new Refused('unexpected packet before the login was complete');
  return body.rest();
}

async function matches(secret: string | undefined, user: string, given: string): Promise<boolean> {
  if (secret === undefined || secret === '') return false;
  const scramSecret = parseSecret(secret);
  if (scramSecret !== undefined) return verifyPassword(scramSecret, given);
  return isMd5Secret(secret) ? equal(secret.toLowerCase(), md5Secret(user, given)) : equal(secret, given);
}

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

async function md5(socket: Socket, inbox: Inbox, { user, secret }: Who): Promise<Shown> {
  const salt = randomBytes(4);
  socket.write(authentication(AUTH.md5, salt));
  const given = (await answer(inbox)).toString('latin1').replace(/\0$/, '');
  // Somebody who is not there is asked the same, and nothing that is answered is right.
  const known = secret === undefined || secret === '' ? `md5${randomBytes(16).toString('hex')}` : secret;
  if (!equal(md5Answer(isMd5Secret(known) ? known : md5Secret(user, known), salt), given)) throw new Refused(FAILED, '28P01');
  return {};
}

async function scram(socket: Socket, inbox: Inbox, { user, secret }: Who, options: AuthOptions): Promise<Shown> {
  const server = new ScramServer(await secretFor(user, secret, options));
  socket.write(authenticationSasl([MECHANISM]));
  try {
    const [mechanism, first] = saslInitial(await answer(inbox));
    if (mechanism !== MECHANISM) throw new Refused('client selected an invalid SASL authentication mechanism');
    socket.write(authentication(AUTH.saslContinue, server.first(first)));
    const shown = server.last((await answer(inbox)).toString());
    if (shown === undefined) throw new Refused(FAILED, '28P01');
    socket.write(authentication(AUTH.saslFinal, shown.answer));
    return { clientKeys: shown.keys };
  } catch (error) {
    throw error instanceof ScramError ? new Refused('SASL authentication failed', '28P01') : error;
  }
}

/** Mechanism and first answer of a SASLInitialResponse. */
function saslInitial(body: Buffer): readonly [mechanism: string, first: string] {
  const end = body.indexOf(0);
  if (end < 0 || body.length < end + 5) throw new Refused('SASL authentication failed', '28P01');
  const length = body.readInt32BE(end + 1);
  if (length !== body.length - end - 5) throw new Refused('SASL authentication failed', '28P01');
  return [body.toString('utf8', 0, end), body.toString('utf8', end + 5)];
}

async function secretFor(user: string, secret: string | undefined, options: AuthOptions): Promise<ScramSecret> {
  const { scramIterations, mockKey, made } = options;
  if (secret === undefined || secret === '' || isMd5Secret(secret)) return mockSecret(user, mockKey, scramIterations);
  const known = parseSecret(secret);
  if (known !== undefined) return known;
  const key = `${user}\0${secret}`;
  const making = made.get(key) ?? makeSecret(secret, scramIterations);
  made.set(key, making);
  return making;
}
