// What the adapter accepts, refuses and assumes. No message may show a value.

import type { LookupFunction, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { Pool, type KeyedPool } from 'millpond';
import { createTcpPool, createTcpPools, tcpFactory, type TcpAddress, type TcpPoolOptions } from 'millpond/tcp';
import { VirtualClock } from 'millpond/testing';
import { expect, it } from 'vitest';
import { until } from '../support/postgres.ts';

const SECRET = 'do not show me';

function refusal(make: () => unknown): { option: string; message: string } {
  try {
    make();
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_POOL_INVALID_OPTION' });
    const { option, message } = error as { option: string; message: string };
    expect(message).not.toContain(SECRET);
    return { option, message };
  }
  throw new Error('it was accepted');
}

it.each<[object, string, RegExp]>([
  [{}, 'port', /whole number from 1 to 65535/],
  [{ port: 0 }, 'port', /1 to 65535/],
  [{ port: 1, prot: 1 }, 'prot', /did you mean port/],
  [{ port: 1, path: '/x' }, 'path', /twice/],
  [{ port: 1, keepAliveInitialDelay: 1000 }, 'keepAliveInitialDelay', /keepAliveInitialDelayMs/],
  [{ port: 1, maxSockets: 10 }, 'maxSockets', /here it is max/],
  [{ port: 1, allowHalfOpen: true }, 'allowHalfOpen', /here it is nothing/],
  [{ port: 1, rejectUnauthorized: false }, 'rejectUnauthorized', /tls\.rejectUnauthorized/],
  [{ port: 1, tls: SECRET }, 'tls', /must be true, false or an object/],
  [{ port: 1, tls: { host: SECRET } }, 'tls.host', /for the pool to decide/],
  [{ port: 1, tls: { session: SECRET } }, 'tls.session', /for the pool to decide/],
  [{ port: 1, tls: { key: SECRET, cert: SECRET } }, 'tls', /cannot be read by Node/],
  [{ port: 1, requireAlpn: true }, 'requireAlpn', /needs tls\.ALPNProtocols/],
  [{ port: 1, tls: true, requireAlpn: true }, 'requireAlpn', /needs tls\.ALPNProtocols/],
  [{ port: 1, requireAlpn: 'yes' }, 'requireAlpn', /true or false/],
  [{ port: 1, noDelay: 1 }, 'noDelay', /true or false/],
  [{ port: 1, keepAliveInitialDelayMs: 0 }, 'keepAliveInitialDelayMs', /above 0/],
  [{ port: 1, maxCachedSessions: -1 }, 'maxCachedSessions', /at least 0/],
  [{ port: 1, family: 5 }, 'family', /0, 4 or 6/],
  [{ port: 1, localAddress: SECRET }, 'localAddress', /IP address/],
  [{ port: 1, onConnect: SECRET }, 'onConnect', /a function/],
  [{ port: 1, validate: true }, 'validate', /a function/],
  [{ port: 1, factory: {} }, 'factory', /tcpFactory/],
])('refuses %o, naming %s', (options, option, why) => {
  const said = refusal(() => createTcpPool(options as TcpPoolOptions));
  expect(said.option).toBe(option);
  expect(said.message).toMatch(why);
});

it('refuses options of the pool in the factory, and of one address in pools of many', () => {
  expect(refusal(() => tcpFactory({ port: 1, max: 3 } as object as TcpPoolOptions)).message).toContain('option of the pool');
  expect(refusal(() => createTcpPools({ port: 1 } as object)).message).toContain('part of the address');
  expect(refusal(() => createTcpPools({ budget: {} } as object)).message).toContain('maxTotal');
  expect(refusal(() => createTcpPools({ tls: { ca: SECRET, cert: SECRET } })).option).toBe('tls');
  expect(refusal(() => createTcpPool(undefined as unknown as TcpPoolOptions)).option).toBe('options');
});

it('starts as many connects at once as are needed over TCP, and two with TLS', async () => {
  const atOnce = async (options: object): Promise<number> => {
    let most = 0;
    // A lookup that never answers: every connect stays on its way.
    const pool = createTcpPool({ host: 'some.name', port: 1, max: 20, lookup: () => { most++; }, ...options } as TcpPoolOptions);
    const waiting = Array.from({ length: 12 }, () => pool.acquire().catch(() => undefined));
    expect(pool.stats().creating).toBe(most);
    await pool.close();
    await Promise.all(waiting);
    return most;
  };
  expect(await atOnce({})).toBe(12);
  expect(await atOnce({ tls: false })).toBe(12);
  expect(await atOnce({ tls: true })).toBe(2);
  expect(await atOnce({ tls: true, maxCreating: 5 })).toBe(5);
  expect(await atOnce({ maxCreating: 1 })).toBe(1);
});

it('looks every half second at least over TCP whether a server is back, and with TLS as seldom as any pool', async () => {
  const slowest = async (options: object): Promise<number> => {
    const clock = new VirtualClock();
    const delays: number[] = [];
    const lookup: LookupFunction = (_name, _options, callback) => callback(Object.assign(new Error('no'), { code: 'EAI_AGAIN' }), '');
    const pool = createTcpPool({ host: 'some.name', port: 1, clock, lookup, acquireTimeoutMs: Infinity, ...options } as TcpPoolOptions);
    pool.on('createError', ({ retryInMs = NaN }) => delays.push(retryInMs));
    const waiting = pool.acquire().catch(() => undefined);
    for (let nth = 1; nth <= 9; nth++) {
      await until('the next failure', () => delays.length, (count) => count === nth);
      await clock.advance(delays[nth - 1]!);
    }
    await pool.close();
    await waiting;
    return Math.max(...delays);
  };
  expect(await slowest({})).toBeLessThanOrEqual(500);
  for (const options of [{ tls: true }, { createRetry: {} }]) {
    const longest = await slowest(options);
    expect(longest).toBeGreaterThan(3_000);
    expect(longest).toBeLessThanOrEqual(5_000);
  }
});

it('types what is lent: a TLSSocket with tls, a Socket without', async () => {
  const plain: Pool<Socket> = createTcpPool({ port: 1 });
  const secure: Pool<TLSSocket> = createTcpPool({ port: 1, tls: true });
  const byHand: Pool<TLSSocket> = new Pool({ factory: tcpFactory({ port: 1, tls: {} }) });
  const many: KeyedPool<TcpAddress, TLSSocket> = createTcpPools({ tls: {} });
  // @ts-expect-error A plain socket has no certificate.
  const wrong: Pool<TLSSocket> = createTcpPool({ port: 1 });
  await Promise.all([plain, secure, byHand, many, wrong].map((pool) => pool.close()));
});
