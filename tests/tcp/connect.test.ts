// Connecting: what it needs, what it leaves when it fails or is called off, and what is tried again.

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type LookupFunction, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from '@millpond/lab/certificate';
import { classify, createTcpPool, tcpFactory, type TcpFactoryOptions, type TcpPoolOptions, type TlsOptions } from 'millpond/tcp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, LineServer, readLine } from '../support/line-server.ts';
import { failureOf, until } from '../support/postgres.ts';

const { cert, key } = makeCertificate('localhost');
let plain: LineServer;
let secure: LineServer;
beforeAll(async () => {
  plain = await LineServer.start();
  secure = await LineServer.start({ tls: { cert, key, ALPNProtocols: ['line/1', 'line/2'] } });
});
afterAll(() => Promise.all([plain[Symbol.asyncDispose](), secure[Symbol.asyncDispose]()]));

/** A create outside of any pool, and what its failure is taken for. */
async function create(options: TcpFactoryOptions, signal = new AbortController().signal): Promise<{ kind: string; code: string }> {
  const factory = tcpFactory(options);
  try {
    const socket = await factory.create({ signal, attempt: 1 });
    await factory.destroy(socket, { reason: 'poolClosed', signal });
    return { kind: 'made', code: '' };
  } catch (error) {
    return { kind: factory.classify!(error), code: (error as { code?: string }).code ?? String(error) };
  }
}

describe('a connect that is called off', () => {
  it('while the name is looked up connects to nobody when the address comes after all', async () => {
    let found: (() => void) | undefined;
    const lookup: LookupFunction = (_name, options, callback) => {
      found = () => callback(null, options.all === true ? [{ address: '127.0.0.1', family: 4 }] : '127.0.0.1', 4);
    };
    const accepted = plain.accepted;
    const abort = new AbortController();
    const made = create({ port: plain.port, host: 'some.name', lookup }, abort.signal);
    await until('the lookup', () => found, (callback) => callback !== undefined);
    abort.abort(new Error('not wanted'));
    expect(await made).toEqual({ kind: 'transient', code: 'Error: not wanted' });
    found!();
    // Whoever connects now comes behind whatever the lookup has begun.
    expect(await create({ ...plain.address })).toMatchObject({ kind: 'made' });
    expect(plain.accepted).toBe(accepted + 1);
  });

  it('in the middle of TLS leaves no connection', async () => {
    const open = new Set<Socket>();
    const mute = createServer((socket) => {
      open.add(socket.on('error', () => {}).on('close', () => open.delete(socket)).resume());
    }).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const abort = new AbortController();
    const made = create({ host: '127.0.0.1', port: (mute.address() as AddressInfo).port, tls: true }, abort.signal);
    await until('the connection', () => open.size, (size) => size === 1);
    abort.abort(new Error('not wanted'));
    expect(await made).toMatchObject({ code: 'Error: not wanted' });
    await until('it to go', () => open.size, (size) => size === 0);
    await new Promise((closed) => mute.close(closed));
  });

  it('in the middle of onConnect leaves no connection', async () => {
    const abort = new AbortController();
    const made = create({ ...plain.address, onConnect: () => new Promise(() => {}) }, abort.signal);
    await until('the connection', () => plain.connections.size, (size) => size === 1);
    abort.abort(new Error('not wanted'));
    expect(await made).toMatchObject({ code: 'Error: not wanted' });
    await until('it to go', () => plain.connections.size, (size) => size === 0);
  });
});

describe('a connect that fails', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millpond-tcp-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const over = (tls: true | TlsOptions, more: object = {}): TcpFactoryOptions =>
    ({ host: 'localhost', family: 4, port: secure.port, tls, ...more });

  it('is tried again when nobody listens, or nothing is known of the name', async () => {
    const { port } = plain;
    expect(await create({ path: join(folder, 'nobody.sock') })).toEqual({ kind: 'transient', code: 'ENOENT' });
    const unknown = (code: string): LookupFunction => (_name, _options, callback) => {
      callback(Object.assign(new Error(code), { code }), '', 4);
    };
    expect(await create({ host: 'a.name', port, lookup: unknown('ENOTFOUND') })).toEqual({ kind: 'transient', code: 'ENOTFOUND' });
    expect(await create({ host: 'a.name', port, lookup: unknown('EAI_AGAIN') })).toEqual({ kind: 'transient', code: 'EAI_AGAIN' });
    await using gone = await LineServer.start();
    gone.refuse();
    expect(await create({ ...gone.address })).toEqual({ kind: 'transient', code: 'ECONNREFUSED' });
    // Two addresses, neither of which answers: Node's error of both.
    expect(await create({ host: 'localhost', port: gone.port })).toEqual({ kind: 'transient', code: 'ECONNREFUSED' });
  });

  it('is not tried again for a certificate that is unknown, expired, or of somebody else', async () => {
    const kinds = async (options: TcpFactoryOptions): Promise<string> => Object.values(await create(options)).join(' ');
    expect(await kinds(over(true))).toBe('permanent DEPTH_ZERO_SELF_SIGNED_CERT');
    expect(await kinds(over({ ca: cert, servername: 'else.where' }))).toBe('permanent ERR_TLS_CERT_ALTNAME_INVALID');
    const old = makeCertificate('localhost', -1);
    await using expired = await LineServer.start({ tls: { cert: old.cert, key: old.key } });
    expect(await kinds(over({ ca: old.cert }, { port: expired.port }))).toBe('permanent CERT_HAS_EXPIRED');
    expect(await kinds(over({ ca: cert }))).toBe('made ');
  });

  it('is not tried again where TLS is not spoken, or not well enough', async () => {
    expect(await create({ ...over({ ca: cert, maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' }) })).toMatchObject({ kind: 'permanent' });
    const rude = createServer((socket) => socket.on('error', () => {}).resume().end('what do you want?\n')).listen(0, '127.0.0.1');
    await once(rude, 'listening');
    const { port } = rude.address() as AddressInfo;
    expect(await create({ host: '127.0.0.1', port, tls: true })).toMatchObject({ kind: 'permanent', code: expect.stringMatching(/^E/) });
    await new Promise((closed) => rude.close(closed));
  });

  it('is not tried again without the right to use the Unix socket', () => {
    // As root there is no Unix socket that one may not use, so the error is made here.
    expect(classify(Object.assign(new Error('connect EACCES /run/locked.sock'), { code: 'EACCES' }))).toBe('permanent');
  });

  it('is judged by the caller first, for what his own hook fails with', async () => {
    const onConnect = (): never => { throw new Error('535 no such user'); };
    const judge = (error: unknown): 'permanent' | undefined => String(error).includes('535') ? 'permanent' : undefined;
    const judged = { ...plain.address, onConnect, classify: judge };
    expect(await create(judged)).toEqual({ kind: 'permanent', code: 'Error: 535 no such user' });
    expect(await create({ ...plain.address, onConnect })).toMatchObject({ kind: 'transient' });
    expect(tcpFactory(judged).classify!(Object.assign(new Error(), { code: 'CERT_HAS_EXPIRED' }))).toBe('permanent');
    await until('nothing to be left', () => plain.connections.size, (size) => size === 0);
    expect([undefined, 'text', new AggregateError([])].map(classify)).toEqual(['transient', 'transient', 'transient']);
  });
});

describe('ALPN', () => {
  const over = (protocols: string[], more: object = {}): TcpFactoryOptions =>
    ({ host: 'localhost', family: 4, port: secure.port, tls: { ca: cert, ALPNProtocols: protocols }, ...more });

  it('tells what the server chose', async () => {
    await using pool = createTcpPool({ ...secure.address, tls: { ca: cert, servername: 'localhost', ALPNProtocols: ['line/2', 'other'] } });
    expect(await pool.use((socket) => socket.alpnProtocol)).toBe('line/2');
  });

  it('that must be chosen, and is not, fails for good and leaves nothing', async () => {
    await using without = await LineServer.start({ tls: { cert, key } });
    const wanted = over(['line/3'], { port: without.port });
    expect(await create(wanted)).toMatchObject({ kind: 'made' });
    expect(await create({ ...wanted, requireAlpn: true })).toEqual({ kind: 'permanent', code: 'ERR_POOL_ALPN_MISMATCH' });
    await until('nothing to be left', () => without.connections.size, (size) => size === 0);
    // A server that has protocols of its own says no by itself.
    expect(await create(over(['line/3']))).toMatchObject({ kind: 'permanent', code: expect.stringMatching(/ALPN|APPLICATION_PROTOCOL/) });
  });

  it('tells whoever waits at once, and why', async () => {
    await using without = await LineServer.start({ tls: { cert, key } });
    await using pool = createTcpPool({ ...over(['line/3'], { port: without.port }), requireAlpn: true, name: 'alpn' } as TcpPoolOptions);
    const error = await failureOf(pool.acquire());
    const cause = { code: 'ERR_POOL_ALPN_MISMATCH', pool: 'alpn' };
    expect(error).toMatchObject({ code: 'ERR_POOL_CREATE_FAILED', retryable: false, cause });
    expect(error?.message).toContain('line/3');
  });
});

it('the name of the host is sent to the server, unless it is an address or another is given', async () => {
  const names = async (host: string, tls: TlsOptions): Promise<string | undefined> => {
    secure.names.length = 0;
    await create({ host, family: 4, port: secure.port, tls: { ca: cert, checkServerIdentity: () => undefined, ...tls } });
    return secure.names.at(-1);
  };
  expect(await names('localhost', {})).toBe('localhost');
  expect(await names('localhost', { servername: 'an.other' })).toBe('an.other');
  expect(await names('127.0.0.1', {})).toBeUndefined();
});

describe('a server that speaks first', () => {
  it('is heard by onConnect, whose listeners stay', async () => {
    await using polite = await LineServer.start({ greeting: '220 welcome' });
    const greetings: string[] = [];
    const notes: string[] = [];
    await using pool = createTcpPool({
      ...polite.address,
      onConnect: async (socket, { signal }) => {
        expect(signal.aborted).toBe(false);
        greetings.push(await readLine(socket));
        socket.on('note', (note: string) => notes.push(note));
      },
    });
    for (let i = 0; i < 2; i++) {
      expect(await pool.use((socket) => ask(socket, 'hi'))).toBe('hi');
      await pool.use((socket) => socket.emit('note', String(i)));
    }
    expect({ greetings, notes }).toEqual({ greetings: ['220 welcome'], notes: ['0', '1'] });
  });

  it('and is not listened to gets no borrower', async () => {
    await using polite = await LineServer.start({ greeting: '220 welcome' });
    const onConnect = async (socket: Socket): Promise<void> => {
      await until('the greeting', () => socket.readableLength, (length) => length > 0);
    };
    expect(await create({ ...polite.address, onConnect })).toMatchObject({ code: expect.stringContaining('left 12 bytes unread') });
  });
});
