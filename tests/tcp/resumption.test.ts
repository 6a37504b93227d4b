// TLS sessions are resumed: what the second connection to an address saves.

import type { TLSSocket } from 'node:tls';
import { makeCertificate } from '@millpond/lab/certificate';
import { createTcpPool, createTcpPools } from 'millpond/tcp';
import { describe, expect, it } from 'vitest';
import { ask, LineServer } from '../support/line-server.ts';

const { cert, key } = makeCertificate('localhost');

/** Whether the session was resumed; by its answer the server's ticket has come, too. */
function resumed(socket: TLSSocket): Promise<boolean> {
  return ask(socket, 'hello').then(() => socket.isSessionReused());
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('%s', (version) => {
  const tls = { cert, key, minVersion: version, maxVersion: version };
  const here = (port: number) => ({ host: 'localhost', family: 4 as const, port, tls: { ca: cert }, maxUses: 1 });

  it('resumes from the second connection on', async () => {
    await using server = await LineServer.start({ tls });
    await using pool = createTcpPool(here(server.port));
    const seen: boolean[] = [];
    for (let i = 0; i < 4; i++) seen.push(await pool.use(resumed));
    expect(seen).toEqual([false, true, true, true]);
    expect(await pool.use((socket) => [socket.getProtocol(), socket.authorized])).toEqual([version, true]);
  });

  it('resumes nothing when nothing is to be remembered', async () => {
    await using server = await LineServer.start({ tls });
    await using pool = createTcpPool({ ...here(server.port), maxCachedSessions: 0 });
    for (let i = 0; i < 2; i++) expect(await pool.use(resumed)).toBe(false);
  });

  it('makes a new session where the server has forgotten the old one', async () => {
    await using server = await LineServer.start({ tls });
    await using pool = createTcpPool(here(server.port));
    for (const expected of [false, true]) expect(await pool.use(resumed)).toBe(expected);
    await server.crash();
    await server.listen(); // with keys of its own for tickets
    for (const expected of [false, true]) expect(await pool.use(resumed)).toBe(expected);
  });

  it('remembers sessions per address, and no more of them than it may', async () => {
    await using one = await LineServer.start({ tls });
    await using two = await LineServer.start({ tls });
    const { port: _port, ...how } = here(0);
    const { host, family, ...connect } = how;
    const seen = async (maxCachedSessions: number): Promise<boolean[]> => {
      await using pools = createTcpPools({ ...connect, family, maxCachedSessions });
      const all: boolean[] = [];
      for (const { port } of [one, two, one, two, two]) all.push(await pools.use({ host, port }, resumed));
      return all;
    };
    expect(await seen(2)).toEqual([false, false, true, true, true]);
    expect(await seen(1)).toEqual([false, false, false, false, true]);
  });
});

it('a session is not resumed under another name: the certificate was not asked for that one', async () => {
  await using server = await LineServer.start({ tls: { cert, key } });
  const here = { host: '127.0.0.1', port: server.port, maxUses: 1 };
  await using right = createTcpPool({ ...here, tls: { ca: cert, servername: 'localhost' } });
  for (const expected of [false, true]) expect(await right.use(resumed)).toBe(expected);
  await using wrong = createTcpPool({ ...here, tls: { ca: cert, servername: 'else.where' }, createRetry: false });
  await expect(wrong.acquire()).rejects.toMatchObject({ cause: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' } });
});
