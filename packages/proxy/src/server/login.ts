// From an address to a server connection that is logged in: dial, TLS as the sslmode says, startup, authentication, and what the server
// tells of itself until it is ready.

import { createConnection, type Socket } from 'node:net';
import { Inbox, type Received } from '../wire/pg/inbox.ts';
import { md5Answer, md5Secret, isMd5Secret } from '../wire/pg/md5.ts';
import { reportFields } from '../wire/pg/read.ts';
import { keysFromPassword, MECHANISM, parseSecret, ScramClient, type ClientKeys } from '../wire/pg/scram.ts';
import { AUTH, FROM_SERVER } from '../wire/pg/types.ts';
import { password as passwordMessage, saslInitial, saslResponse, sslRequest, startup } from '../wire/pg/write.ts';
import { dialBy, type Connect } from './streams.ts';
import { secure, takesPlain, triesTls, type ServerTls } from './tls.ts';

export interface Address {
  /** A name, an address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  /** Opens the connection in another way. */
  readonly connect?: Connect;
}

export interface LoginOptions {
  readonly address: Address;
  readonly tls: ServerTls;
  readonly user: string;
  readonly database: string;
  readonly parameters: ReadonlyMap<string, string>;
  /** A password, an md5 secret or a SCRAM secret; the latter only together with `clientKeys`. */
  readonly secret: string | undefined;
  /** What a client has shown that logged in here with the same SCRAM secret as the server has. */
  readonly clientKeys: ClientKeys | undefined;
  /** Salted passwords that were derived before: PBKDF2 takes milliseconds. */
  readonly derived: Map<string, Promise<ClientKeys>>;
  readonly keepAlive: boolean;
  readonly signal: AbortSignal;
  /** Called when there is a connection, before anything is said over it. `from`: our end of it, undefined over a Unix socket. */
  readonly connected?: (from: string | undefined) => void;
}

export interface LoggedIn {
  readonly socket: Socket;
  readonly parameters: Map<string, string>;
  /** Process and secret for cancels; empty if the server has none. */
  readonly cancelKey: Buffer;
  /** What came behind the first ReadyForQuery. */
  readonly rest: Buffer;
}

/** The server said no. */
export class ServerLoginError extends Error {
  override readonly name = 'ServerLoginError';
  readonly fields: ReadonlyMap<string, string>;

  constructor(fields: ReadonlyMap<string, string>) {
    super(fields.get('M') ?? 'the server refused without saying why');
    this.fields = fields;
  }

  /** SQLSTATE; empty when the server gave none. */
  get code(): string {
    return this.fields.get('C') ?? '';
  }
}

/** What is known of the password is not what the server asks for. Nothing that is tried again would change that. */
export class SecretError extends ServerLoginError {
  /** For the log. */
  readonly detail: string;

  constructor(method: string, known: boolean) {
    super(new Map([['S', 'FATAL'], ['C', '08P01'], ['M', `server login failed: ${known ? 'wrong password type' : 'no password known'}`]]));
    this.detail = `cannot do ${method} authentication: ${known ? 'wrong password type' : 'no password known'}`;
  }
}

/** No line of the server's pg_hba.conf, or the other way to connect than that. */
const NOT_ADMITTED = '28000';

/** Connects and logs in. Rejects with {@link ServerLoginError}, or with what broke on the way. */
export async function logIn(options: LoginOptions): Promise<LoggedIn> {
  if (options.tls.mode !== 'allow' || isFolder(options.address.host)) return logInOnce(options);
  try {
    return await logInOnce(options);
  } catch (error) {
    // Without TLS if the server takes that, with it if not.
    if (!(error instanceof ServerLoginError) || error.code !== NOT_ADMITTED) throw error;
    return logInOnce({ ...options, tls: { ...options.tls, mode: 'require' } }).catch(() => { throw error; });
  }
}

async function logInOnce(options: LoginOptions): Promise<LoggedIn> {
  const { signal } = options;
  let socket = await dial(options.address, signal);
  const abort = (): void => void socket.destroy();
  signal.addEventListener('abort', abort, { once: true });
  try {
    socket.setNoDelay(true);
    options.connected?.(socket.localAddress === undefined ? undefined : `${bracketed(socket.localAddress)}:${socket.localPort}`);
    if (options.keepAlive) socket.setKeepAlive(true);
    socket = await negotiateTls(socket, options);
    return await greet(socket, options);
  } catch (error) {
    socket.destroy();
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** An open connection to an address; also for cancels, which log in nowhere. */
export function dial({ host, port, connect }: Address, signal: AbortSignal): Promise<Socket> {
  if (connect !== undefined) return dialBy(connect, signal);
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = isFolder(host) ? createConnection({ path: `${host}/.s.PGSQL.${port}` }) : createConnection({ host, port });
    const abort = (): void => void socket.destroy(signal.reason instanceof Error ? signal.reason : new Error('given up'));
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', reject).once('connect', () => {
      signal.removeEventListener('abort', abort);
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

function isFolder(host: string): boolean {
  return host.startsWith('/') || host.startsWith('@');
}

async function negotiateTls(socket: Socket, { address, tls }: LoginOptions): Promise<Socket> {
  if (!triesTls(tls.mode) || isFolder(address.host)) return socket;
  const inbox = new Inbox(socket);
  socket.write(sslRequest());
  const answer = await inbox.nextByte();
  const behind = inbox.release();
  // Bytes behind the answer were not encrypted: somebody in between put them there (CVE-2021-23222).
  if (behind.length > 0) throw new Error('the server sent something unencrypted behind its answer to the TLS request');
  if (answer === 0x53) return secure(socket, address.host, tls);
  if (!takesPlain(tls.mode)) throw new Error('the server has no TLS, and server_tls_sslmode asks for it');
  return socket;
}

async function greet(socket: Socket, options: LoginOptions): Promise<LoggedIn> {
  const inbox = new Inbox(socket);
  socket.write(startup(new Map([['user', options.user], ['database', options.database], ...options.parameters])));
  const parameters = new Map<string, string>();
  let cancelKey: Buffer = Buffer.alloc(0);
  for (;;) {
    const message = await inbox.next();
    switch (message.type) {
      case FROM_SERVER.authentication: await authenticate(socket, inbox, message, options); break;
      case FROM_SERVER.parameterStatus: parameters.set(message.body.text(), message.body.text()); break;
      case FROM_SERVER.backendKeyData: cancelKey = Buffer.from(message.body.rest()); break;
      case FROM_SERVER.errorResponse: throw new ServerLoginError(reportFields(message.body.rest()));
      case FROM_SERVER.noticeResponse: case FROM_SERVER.negotiateProtocolVersion: break;
      case FROM_SERVER.readyForQuery: return { socket, parameters, cancelKey, rest: inbox.release() };
      default: throw new Error(`the server sent ${String.fromCharCode(message.type)} before it was ready`);
    }
  }
}

async function authenticate(socket: Socket, inbox: Inbox, { body }: Received, options: LoginOptions): Promise<void> {
  const { secret, user } = options;
  const code = body.int32();
  switch (code) {
    case AUTH.ok: return;
    case AUTH.cleartext:
      socket.write(passwordMessage(plainOf(secret, 'password')));
      return;
    case AUTH.md5: {
      const known = secret !== undefined && isMd5Secret(secret) ? secret : md5Secret(user, plainOf(secret, 'MD5'));
      socket.write(passwordMessage(md5Answer(known, body.bytes(4))));
      return;
    }
    case AUTH.sasl: return authenticateScram(socket, inbox, body.rest().toString().split('\0'), options);
    default: throw new Error(`the server asks for an authentication that is not supported (${code})`);
  }
}

function plainOf(secret: string | undefined, method: string): string {
  if (secret === undefined || isMd5Secret(secret) || parseSecret(secret) !== undefined) throw new SecretError(method, secret !== undefined);
  return secret;
}

async function authenticateScram(socket: Socket, inbox: Inbox, mechanisms: readonly string[], options: LoginOptions): Promise<void> {
  if (!mechanisms.includes(MECHANISM)) throw new Error(`the server offers ${mechanisms.filter(Boolean).join(', ')}; not supported`);
  const client = new ScramClient();
  socket.write(saslInitial(MECHANISM, client.first()));
  const first = await answerOf(inbox, AUTH.saslContinue);
  socket.write(saslResponse(await client.last(first, (salt, iterations) => keysFor(options, salt, iterations))));
  const last = await answerOf(inbox, AUTH.saslFinal);
  if (!client.accepts(last)) throw new Error('the server does not know the secret: it is not the one that it claims to be');
}

function keysFor({ clientKeys, secret, derived, user }: LoginOptions, salt: Buffer, iterations: number): Promise<ClientKeys> {
  if (clientKeys !== undefined) return Promise.resolve(clientKeys);
  const plain = plainOf(secret, 'SCRAM');
  const key = `${user}\0${salt.toString('base64')}\0${iterations}\0${plain}`;
  const known = derived.get(key) ?? keysFromPassword(plain, salt, iterations);
  derived.set(key, known);
  return known;
}

async function answerOf(inbox: Inbox, code: number): Promise<string> {
  const { type, body } = await inbox.next();
  if (type === FROM_SERVER.errorResponse) throw new ServerLoginError(reportFields(body.rest()));
  if (type !== FROM_SERVER.authentication || body.int32() !== code) throw new Error('the server left the SCRAM exchange');
  return body.rest().toString();
}
