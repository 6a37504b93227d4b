// SCRAM-SHA-256 (RFC 5802, RFC 7677) as PostgreSQL speaks it, both ends, pure: strings in, strings out. A stored secret verifies a client
// without the password; with the ClientKey that a client has thereby shown, one can log in elsewhere where the same secret is kept.

import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

export const MECHANISM = 'SCRAM-SHA-256';
const KEY_LENGTH = 32;
/** Longer than any that PostgreSQL makes; beyond it is an attack. */
const MAX_NONCE = 1024;
const MAX_ITERATIONS = 10_000_000;

export class ScramError extends Error {
  override readonly name = 'ScramError';
}

/** What a server keeps of a password. */
export interface ScramSecret {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** What proves a client: from a password, or from a client that has shown it. */
export interface ClientKeys {
  readonly clientKey: Buffer;
  readonly serverKey: Buffer;
}

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();
const derive = promisify(pbkdf2);

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, index) => byte ^ b[index]!));
}

function keysOf(salted: Buffer): ClientKeys {
  return { clientKey: hmac(salted, 'Client Key'), serverKey: hmac(salted, 'Server Key') };
}

/** Takes milliseconds of a thread of libuv's pool, not of the loop. */
export async function keysFromPassword(password: string, salt: Buffer, iterations: number): Promise<ClientKeys> {
  return keysOf(await derive(prepared(password), salt, iterations, KEY_LENGTH, 'sha256'));
}

/** SASLprep as far as PostgreSQL needs it: normalised, or as it is when it cannot be. */
function prepared(password: string): Buffer {
  return Buffer.from(password.normalize('NFKC'));
}

/** `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`, or undefined if it is none. */
export function parseSecret(secret: string): ScramSecret | undefined {
  const parts = /^SCRAM-SHA-256\$(\d{1,9}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]{44}):([A-Za-z0-9+/=]{44})$/.exec(secret);
  if (parts === null) return undefined;
  const [, iterations, salt, storedKey, serverKey] = parts;
  return {
    iterations: Number(iterations),
    salt: Buffer.from(salt!, 'base64'),
    storedKey: Buffer.from(storedKey!, 'base64'),
    serverKey: Buffer.from(serverKey!, 'base64'),
  };
}

export function formatSecret({ iterations, salt, storedKey, serverKey }: ScramSecret): string {
  const [a, b, c] = [salt, storedKey, serverKey].map((bytes) => bytes.toString('base64'));
  return `${MECHANISM}$${iterations}:${a}$${b}:${c}`;
}

/** The secret of a password; takes milliseconds of a thread of libuv's pool. */
export async function makeSecret(password: string, iterations: number, salt: Buffer = randomBytes(16)): Promise<ScramSecret> {
  const { clientKey, serverKey } = await keysFromPassword(password, salt, iterations);
  return { iterations, salt, storedKey: sha256(clientKey), serverKey };
}

/**
 * A secret for somebody who is not known, that no password fits: the exchange looks as with somebody who is. The same for the same name, as
 * the salt of a real one would be.
 */
export function mockSecret(user: string, key: Buffer, iterations: number): ScramSecret {
  const salt = hmac(key, user).subarray(0, 16);
  return { iterations, salt, storedKey: randomBytes(KEY_LENGTH), serverKey: randomBytes(KEY_LENGTH) };
}

/** Whether a plain password is the one of the secret; takes milliseconds of a thread of libuv's pool. */
export async function verifyPassword(secret: ScramSecret, password: string): Promise<boolean> {
  const { clientKey } = await keysFromPassword(password, secret.salt, secret.iterations);
  return timingSafeEqual(sha256(clientKey), secret.storedKey);
}

function attributes(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const part of text.split(',')) {
    if (part[1] !== '=' || found.has(part[0]!)) throw new ScramError(`not an attribute: ${JSON.stringify(part.slice(0, 40))}`);
    found.set(part[0]!, part.slice(2));
  }
  return found;
}

function nonceOf(value: string | undefined): string {
  if (value === undefined || value.length > MAX_NONCE || !/^[\x21-\x2b\x2d-\x7e]+$/.test(value)) throw new ScramError('a bad nonce');
  return value;
}

/** The server's end of one exchange. */
export class ScramServer {
  readonly #secret: ScramSecret;
  readonly #nonce: string;
  #header = '';
  #transcript = '';
  #nonces = '';

  constructor(secret: ScramSecret, nonce: string = randomBytes(18).toString('base64')) {
    this.#secret = secret;
    this.#nonce = nonce;
  }

  /** Takes the client's first message, returns the answer. Throws {@link ScramError} for what is none. */
  first(message: string): string {
    const [, header, bare] = /^((?:n|y),(?:a=[^,]*)?,)(.+)$/s.exec(message) ?? [];
    if (header === undefined || bare === undefined) {
      throw new ScramError(message.startsWith('p=') ? 'channel binding is not supported' : 'a malformed first message');
    }
    this.#header = header;
    this.#nonces = nonceOf(attributes(bare).get('r')) + this.#nonce;
    const answer = `r=${this.#nonces},s=${this.#secret.salt.toString('base64')},i=${this.#secret.iterations}`;
    this.#transcript = `${bare},${answer}`;
    return answer;
  }

  /** Takes the client's last message. Returns the last answer and what the client has shown, or undefined if the password is wrong. */
  last(message: string): { readonly answer: string; readonly keys: ClientKeys } | undefined {
    const found = attributes(message);
    const split = message.lastIndexOf(',p=');
    if (found.get('c') !== Buffer.from(this.#header).toString('base64')) throw new ScramError('the channel binding is another one');
    if (found.get('r') !== this.#nonces) throw new ScramError('the nonce is another one');
    const proof = Buffer.from(found.get('p') ?? '', 'base64');
    if (proof.length !== KEY_LENGTH || split < 0) throw new ScramError('a malformed proof');
    const transcript = `${this.#transcript},${message.slice(0, split)}`;
    const { storedKey, serverKey } = this.#secret;
    const clientKey = xor(proof, hmac(storedKey, transcript));
    if (!timingSafeEqual(sha256(clientKey), storedKey)) return undefined;
    return { answer: `v=${hmac(serverKey, transcript).toString('base64')}`, keys: { clientKey, serverKey } };
  }
}

/** The client's end of one exchange. */
export class ScramClient {
  readonly #bare: string;
  readonly #nonce: string;
  #expected = '';

  constructor(nonce: string = randomBytes(18).toString('base64')) {
    this.#nonce = nonce;
    // PostgreSQL takes the name from the startup packet.
    this.#bare = `n=,r=${nonce}`;
  }

  first(): string {
    return `n,,${this.#bare}`;
  }

  /** Takes the server's first answer, returns the proof. `keysFor` turns salt and iterations into keys. */
  async last(message: string, keysFor: (salt: Buffer, iterations: number) => Promise<ClientKeys>): Promise<string> {
    const found = attributes(message);
    const nonces = nonceOf(found.get('r'));
    if (!nonces.startsWith(this.#nonce) || nonces.length === this.#nonce.length) throw new ScramError('the nonce is another one');
    const salt = Buffer.from(found.get('s') ?? '', 'base64');
    const iterations = Number(found.get('i'));
    if (salt.length === 0 || !Number.isInteger(iterations) || iterations < 1 || iterations > MAX_ITERATIONS) {
      throw new ScramError('a bad salt or number of iterations');
    }
    const { clientKey, serverKey } = await keysFor(salt, iterations);
    const end = `c=${Buffer.from('n,,').toString('base64')},r=${nonces}`;
    const transcript = `${this.#bare},${message},${end}`;
    this.#expected = hmac(serverKey, transcript).toString('base64');
    return `${end},p=${xor(clientKey, hmac(sha256(clientKey), transcript)).toString('base64')}`;
  }

  /** Whether the server has shown that it knows the secret, too. */
  accepts(message: string): boolean {
    const shown = Buffer.from(/^v=([^,]*)/.exec(message)?.[1] ?? '', 'base64');
    const expected = Buffer.from(this.#expected, 'base64');
    return expected.length === KEY_LENGTH && shown.length === KEY_LENGTH && timingSafeEqual(shown, expected);
  }
}
