// A client from its first byte to the end of its authentication: TLS, the startup packet or a cancel in its place, and the proof of who
// it is. What goes wrong is a {@link Refused}, which says what the client is told.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Values } from '../config/settings.ts';
import { Inbox } from '../wire/pg/inbox.ts';
import { isMd5Secret, md5Answer, md5Secret } from '../wire/pg/md5.ts';
import { startupParameters } from '../wire/pg/read.ts';
import {
  makeSecret, MECHANISM, mockSecret, parseSecret, ScramError, ScramServer, verifyPassword, type ClientKeys, type ScramSecret,
} from '../wire/pg/scram.ts';
import { AUTH, CANCEL_REQUEST, FROM_CLIENT, GSS_REQUEST, PROTOCOL_3_0, SSL_REQUEST } from '../wire/pg/types.ts';
import { authentication, authenticationSasl, negotiateProtocolVersion } from '../wire/pg/write.ts';
import { Refused } from './refused.ts';
import { ALPN, type ClientTls } from './tls.ts';

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
  readonly values: Values;
  readonly tls: ClientTls;
  /** Through the Unix socket, where TLS would hide nothing from anybody. */
  readonly local: boolean;
}

/** The first byte of whoever begins with TLS and does not ask before. */
const TLS_HANDSHAKE = 0x16;

/** Reads up to the startup packet. */
export async function open(plain: Socket, { values, tls, local }: OpeningOptions): Promise<Opening> {
  const { client_tls_sslmode: sslMode } = values;
  const offered = !local && tls.available(values);
  let secured: TLSSocket | undefined;
  let inbox = new Inbox(plain);
  if ((await inbox.peekByte()) === TLS_HANDSHAKE && offered) {
    secured = await secureDirectly(plain, inbox, tls);
    inbox = new Inbox(secured);
  }
  for (;;) {
    const socket = secured ?? plain;
    const { code, body } = await inbox.nextPacket();
    switch (code) {
      case SSL_REQUEST: {
        if (secured !== undefined) throw new Refused('SSL req inside SSL');
        // Whatever stands behind the request was not encrypted, and would be taken for something that was (CVE-2021-3935).
        if (inbox.buffered > 0) throw new Refused('received unencrypted data after SSL request');
        if (!offered) {
          socket.write('N');
          break;
        }
        inbox.release();
        socket.write('S');
        secured = await secure(plain, tls);
        inbox = new Inbox(secured);
        break;
      }
      case GSS_REQUEST:
        if (inbox.buffered > 0) throw new Refused('received unencrypted data after GSSAPI encryption request');
        socket.write('N');
        break;
      case CANCEL_REQUEST: return { kind: 'cancel', key: Buffer.from(body.rest()) };
      default: {
        const needed = sslMode === 'require' || sslMode === 'verify-ca' || sslMode === 'verify-full';
        if (secured === undefined && !local && needed) throw new Refused('SSL required');
        if (code >> 16 !== 3) throw new Refused('old V2 protocol not supported');
        const parameters = startupParameters(body);
        const options = [...parameters.keys()].filter((name) => name.startsWith('_pq_.'));
        if (code !== PROTOCOL_3_0 || options.length > 0) socket.write(negotiateProtocolVersion(PROTOCOL_3_0, options));
        for (const name of options) parameters.delete(name);
        return { kind: 'startup', socket, inbox, parameters, tls: secured !== undefined };
      }
    }
  }
}

/** The client has begun its handshake. It has to say which protocol it wants, as other servers may be asked to take it for theirs. */
async function secureDirectly(plain: Socket, inbox: Inbox, tls: ClientTls): Promise<TLSSocket> {
  const begun = inbox.release();
  plain.pause();
  plain.unshift(begun);
  const secured = await secure(plain, tls);
  if (secured.alpnProtocol !== ALPN) {
    secured.destroy();
    throw new Refused('received direct SSL connection request without ALPN protocol negotiation extension');
  }
  return secured;
}

async function secure(plain: Socket, tls: ClientTls): Promise<TLSSocket> {
  try {
    return await tls.secure(plain);
  } catch (error) {
    // There is no way to tell it why.
    plain.destroy();
    throw new Refused(`TLS handshake failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export interface Who {
  readonly user: string;
  /** As the authentication file or query has it; undefined: nobody knows this user. */
  readonly secret: string | undefined;
}

export interface AuthOptions {
  readonly method: 'plain' | 'md5' | 'scram-sha-256';
  /** With plain: it has been asked for before. */
  readonly password?: string | undefined;
  /** For mock secrets: the same as long as the process runs. */
  readonly mockKey: Buffer;
  /** Whether somebody who is not there is taken for somebody with a SCRAM secret, where it makes a difference. */
  readonly mockScram: boolean;
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
const SASL_FAILED = 'SASL authentication failed';
/** So many made secrets are kept; old passwords need not stay. */
const MAX_MADE = 10_000;

/**
 * Has the client prove that it is who it says. Rejects with {@link Refused}: the same for a user that is not there and for a wrong
 * password.
 */
export async function authenticate(socket: Socket, inbox: Inbox, who: Who, options: AuthOptions): Promise<Shown> {
  const { secret } = who;
  switch (options.method) {
    case 'plain': {
      const password = options.password ?? await askPassword(socket, inbox);
      if (!(await matches(who, password, options))) throw new Refused(FAILED, '28P01');
      return { password };
    }
    case 'md5':
      // Whoever has a SCRAM secret cannot answer with md5.
      if (known(secret) ? parseSecret(secret) !== undefined : options.mockScram) return scram(socket, inbox, who, options);
      return md5(socket, inbox, who);
    case 'scram-sha-256': return scram(socket, inbox, who, options);
  }
}

/** No password fits an empty secret, nor one that is not there. */
function known(secret: string | undefined): secret is string {
  return secret !== undefined && secret !== '';
}

async function answer(inbox: Inbox): Promise<Buffer> {
  const { type, body } = await inbox.next();
  if (type !== FROM_CLIENT.password) throw new Refused('unexpected packet before the login was complete');
  return body.rest();
}

/** The password, as it is. */
export async function askPassword(socket: Socket, inbox: Inbox): Promise<string> {
  socket.write(authentication(AUTH.cleartext));
  return passwordOf(inbox);
}

async function passwordOf(inbox: Inbox): Promise<string> {
  const given = await answer(inbox);
  const end = given.indexOf(0);
  if (end < 0) throw new Refused('bad packet');
  if (end === 0) throw new Refused('empty password returned by client');
  return given.toString('utf8', 0, end);
}

async function matches({ secret, user }: Who, given: string, { mockKey, mockScram, scramIterations }: AuthOptions): Promise<boolean> {
  // It takes as long to find out that somebody is not there.
  if (!known(secret)) return mockScram && await verifyPassword(mockSecret(user, mockKey, scramIterations), given);
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
  const given = await passwordOf(inbox);
  // Somebody who is not there is asked the same, and nothing that is answered is right.
  const expected = known(secret) ? secret : `md5${randomBytes(16).toString('hex')}`;
  if (!equal(md5Answer(isMd5Secret(expected) ? expected : md5Secret(user, expected), salt), given)) throw new Refused(FAILED, '28P01');
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
    if (shown === undefined) throw new Refused(SASL_FAILED, '28P01');
    socket.write(authentication(AUTH.saslFinal, shown.answer));
    return { clientKeys: shown.keys };
  } catch (error) {
    throw error instanceof ScramError ? new Refused(SASL_FAILED, '28P01') : error;
  }
}

/** Mechanism and first answer of a SASLInitialResponse. */
function saslInitial(body: Buffer): readonly [mechanism: string, first: string] {
  const end = body.indexOf(0);
  if (end < 0 || body.length < end + 5) throw new Refused(SASL_FAILED, '28P01');
  const length = body.readInt32BE(end + 1);
  if (length !== body.length - end - 5) throw new Refused(SASL_FAILED, '28P01');
  return [body.toString('utf8', 0, end), body.toString('utf8', end + 5)];
}

async function secretFor(user: string, secret: string | undefined, options: AuthOptions): Promise<ScramSecret> {
  const { scramIterations, mockKey, made } = options;
  if (!known(secret) || isMd5Secret(secret)) return mockSecret(user, mockKey, scramIterations);
  const parsed = parseSecret(secret);
  if (parsed !== undefined) return parsed;
  const key = `${user}\0${secret}`;
  if (made.size > MAX_MADE) made.clear();
  const making = made.get(key) ?? makeSecret(secret, scramIterations);
  made.set(key, making);
  return making;
}
