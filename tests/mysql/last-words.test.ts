// What only MySQL says, or says only now and then: a server that is played by a script.

import { createMysqlPool, mysqlFactory } from 'millpond/mysql';
import * as mysql2 from 'mysql2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { cancelStatement } from '../../packages/millpond/src/adapters/mysql/cancel.ts';
import type { DriverCallback, DriverConnection } from '../../packages/millpond/src/adapters/mysql/driver.ts';
import { identityOf, type Messenger } from '../../packages/millpond/src/adapters/mysql/messenger.ts';
import { sessionOf } from '../../packages/millpond/src/adapters/mysql/session.ts';
import { failureOf, until } from '../support/postgres.ts';

/** mysql2's own server side; its types know little of it. */
interface Peer {
  serverHandshake(greeting: object): void;
  writeError(error: { code: number; message: string }): void;
  writeOk(result: object): void;
  on(event: 'query', listener: (sql: string) => void): void;
  on(event: 'error', listener: () => void): void;
  sequenceId: number;
  readonly stream: { end(): void };
}

interface Server {
  listen(port: number, host: string, done: () => void): void;
  close(done: () => void): void;
  readonly _server: { address(): AddressInfo };
}

interface Play extends AsyncDisposable {
  readonly port: number;
  readonly peers: Peer[];
}

/** Packets are numbered: an answer goes on where the question ended, and the next question begins anew. */
function numbered(peer: Peer, from: number, write: () => void): void {
  peer.sequenceId = from;
  write();
  peer.sequenceId = 0;
}

const ok = (peer: Peer): void => numbered(peer, 1, () => peer.writeOk({ affectedRows: 0, serverStatus: 2 }));

/** `from` 0: nobody asked. */
const fail = (peer: Peer, code: number, message: string, from = 1): void => numbered(peer, from, () => peer.writeError({ code, message }));

/** `answer` is asked for each statement that is not of the adapter's own. */
async function play(answer: (sql: string, peer: Peer, nth: number) => void): Promise<Play> {
  const peers: Peer[] = [];
  const server = mysql2.createServer((connection: unknown) => {
    const peer = connection as Peer;
    const nth = peers.push(peer);
    peer.serverHandshake({
      protocolVersion: 10, serverVersion: '8.0.40', connectionId: nth, statusFlags: 2, characterSet: 45,
      capabilityFlags: 0xff_f7ff,
    });
    peer.on('error', () => undefined);
    peer.on('query', (sql) => {
      if (sql.includes('@@hostname')) ok(peer); // as good as no answer
      else answer(sql, peer, nth);
    });
  }) as unknown as Server;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: server._server.address().port,
    peers,
    async [Symbol.asyncDispose]() {
      for (const { stream } of peers) stream.end();
      await new Promise<void>((resolve) => server.close(resolve));
    },
  };
}

describe('the last words of a server', () => {
  // mysql2's server side counts wrong after the greeting, and says so each time.
  beforeAll(() => { vi.spyOn(console, 'error').mockImplementation(() => undefined); });
  afterAll(() => { vi.restoreAllMocks(); });

  it('that had ended the connection for being idle, before it read the statement, cost nobody anything', async () => {
    let refused = 0;
    await using server = await play((_sql, peer, nth) => {
      if (nth === 1) {
        refused++;
        fail(peer, 4031, 'The client was disconnected by the server because of inactivity.');
        peer.stream.end();
      } else {
        ok(peer);
      }
    });
    await using pool = createMysqlPool({ host: '127.0.0.1', port: server.port, user: 'u', max: 1 });
    await pool.query('DO 0');
    expect([refused, pool.stats().totals.created]).toEqual([1, 2]);
  });

  it('that it is idle for too long, or shuts down, reach a pool in which nobody asks', async () => {
    await using server = await play((_sql, peer) => ok(peer));
    await using pool = createMysqlPool({ host: '127.0.0.1', port: server.port, user: 'u', min: 1, max: 1 });
    await pool.ready();
    const told: unknown[] = [];
    pool.on('destroy', ({ reason, error }) => told.push([reason, (error as { errno?: number } | undefined)?.errno]));
    fail(server.peers[0]!, 4031, 'The client was disconnected by the server because of inactivity.', 0);
    await until('another one', () => pool.stats(), ({ idle, totals }) => idle === 1 && totals.created === 2);
    expect(told).toEqual([['broken', 4031]]);
  });

  it('that it shuts down end the generation, and are passed on', async () => {
    let down = false;
    await using server = await play((_sql, peer) => {
      if (down) fail(peer, 1053, 'Server shutdown in progress');
      else ok(peer);
    });
    const told: number[] = [];
    await using pool = createMysqlPool({
      host: '127.0.0.1', port: server.port, user: 'u', max: 3, onFailover: ({ errno }) => { told.push(errno); },
    });
    const leases = await Promise.all([1, 2, 3].map(() => pool.acquire()));
    for (const lease of leases) lease.release();
    down = true;
    expect(await failureOf(pool.query('DO 0'))).toMatchObject({ errno: 1053 });
    down = false;
    expect(told).toEqual([1053]);
    expect(pool.stats().generation).toBe(2);
    await pool.query('DO 0');
    await until('the others to be gone', () => pool.stats(), ({ size }) => size === 1);
    expect(pool.stats().totals.created).toBe(4);
  });

  it('that it shuts down reach a hook that fails, and do not end the process', async () => {
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => { warnings.push(warning.message); };
    process.on('warning', onWarning);
    try {
      const hooks: (() => unknown)[] = [() => { throw new Error('hook one'); }, () => Promise.reject(new Error('hook two'))];
      for (const onFailover of hooks) {
        await using server = await play((_sql, peer) => fail(peer, 1053, 'Server shutdown in progress'));
        await using pool = createMysqlPool({ host: '127.0.0.1', port: server.port, user: 'u', name: 'hooked', max: 1, onFailover });
        expect(await failureOf(pool.query('SELECT 1'))).toMatchObject({ errno: 1053 });
      }
      await until('the warnings', () => warnings.filter((each) => each.includes('hooked')), (seen) => seen.length === 2);
      expect(warnings).toEqual(['onFailover of pool "hooked" failed: hook one', 'onFailover of pool "hooked" failed: hook two']);
    } finally {
      process.removeListener('warning', onWarning);
    }
  });

  it('about who it is count only with the number that KILL will name: a pooler may have given another', async () => {
    const speaking = (id: unknown, threadId = 7): DriverConnection => ({
      threadId, query: (_sql: object, _values: unknown, done: DriverCallback) => done(null, [{ who: 'db1/3306/1', id }]),
    }) as unknown as DriverConnection;
    expect([await identityOf(speaking(7)), await identityOf(speaking('7'))]).toEqual(['db1/3306/1', 'db1/3306/1']);
    expect([await identityOf(speaking(8)), await identityOf(speaking(null))]).toEqual([undefined, undefined]);
  });

  it('about a KILL that came too late hit a statement of the pool itself, and not the next borrower', async () => {
    const seen: string[] = [];
    let marked = true;
    await using server = await play((sql, peer) => {
      seen.push(sql);
      if (sql === 'SLOW') {
        setTimeout(() => ok(peer), 100);
      } else if (sql === 'DO 0' && marked) {
        marked = false;
        fail(peer, 1317, 'Query execution was interrupted');
      } else {
        ok(peer);
      }
    });
    const factory = mysqlFactory({ host: '127.0.0.1', port: server.port, user: 'u' });
    const connection = await factory.create({ signal: new AbortController().signal, attempt: 1 });
    const running = connection.query('SLOW');
    const messenger = { kill: () => Promise.resolve('done') } as unknown as Messenger;
    expect(await cancelStatement(sessionOf(connection), messenger, 60_000)).toBe(true);
    await running;
    expect(seen).toEqual(['SLOW', 'DO 0', 'DO 0']);
    await factory.destroy(connection, { reason: 'idleTimeout', signal: new AbortController().signal });
  });

  it('about a statement that fails leave a connection without an identity as it is, and its statements are not killed', async () => {
    const seen: string[] = [];
    const asked = new AbortController();
    await using server = await play((sql) => {
      seen.push(sql);
      asked.abort();
    });
    await using pool = createMysqlPool({ host: '127.0.0.1', port: server.port, user: 'u', max: 1, cancelTimeoutMs: 60_000 });
    await expect(pool.query('SLOW', [], { signal: asked.signal })).rejects.toMatchObject({ name: 'AbortError' });
    ok(server.peers[0]!);
    await until('the connection to come back', () => pool.stats().idle, (idle) => idle === 1);
    expect([seen, server.peers.length]).toEqual([['SLOW'], 1]);
  });
});
