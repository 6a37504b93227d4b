// Whoever is at the other end means no good: clients that lie about lengths, servers that are none. What is tested is that they get nothing
// and that nobody else notices.

import { createServer, type AddressInfo, type Server } from 'node:net';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AUTH, FROM_CLIENT, FROM_SERVER } from '../../packages/proxy/src/wire/pg/types.ts';
import { authentication, authenticationSasl, message, text } from '../../packages/proxy/src/wire/pg/write.ts';
import { startBouncer, startPostgres, type Bouncer, type PostgresServer } from './bouncer.ts';
import { WireClient } from './support/wire-client.ts';

let server: PostgresServer;
beforeAll(async () => { server = await startPostgres(); });
afterAll(() => server.stop());

const { authentication: ofAuthentication, errorResponse } = FROM_SERVER;

async function asked(bouncer: Bouncer, user: string): Promise<WireClient> {
  const client = WireClient.dial({ host: '127.0.0.1', port: bouncer.port, user, database: 'main' });
  await client.until(() => client.count(ofAuthentication) === 1);
  return client;
}

const FIRST = 'n,,n=,r=abcdefgh';

function initial(mechanism: string, length: number, first = FIRST): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(length);
  return message(FROM_CLIENT.password, text(mechanism), size, first);
}

/** Sends bytes and waits for what it is told. */
async function refused(client: WireClient, bytes: Buffer): Promise<string | undefined> {
  await client.send(bytes);
  await client.until(() => client.count(errorResponse) === 1);
  return client.lastError?.get('M');
}

async function stillServes(bouncer: Bouncer): Promise<void> {
  const client = bouncer.client();
  await client.connect();
  expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await client.end();
}

describe('a client', () => {
  it.each([
    ['a length that is negative', initial('SCRAM-SHA-256', -1)], ['a huge length', initial('SCRAM-SHA-256', 0x7fff_ffff)],
    ['a length that is too short', initial('SCRAM-SHA-256', 3)], ['no length', message(FROM_CLIENT.password, text('SCRAM-SHA-256'))],
    ['an endless nonce', initial('SCRAM-SHA-256', 3_009, `n,,n=,r=${'x'.repeat(3_001)}`)],
    ['no end of the mechanism', message(FROM_CLIENT.password, 'SCRAM')],
    ['channel binding that nobody offered', initial('SCRAM-SHA-256', 26, 'p=tls-unique,,n=,r=abcdefg')],
  ])('that answers with %s is turned away, and nobody else', async (_what, bytes) => {
    await using bouncer = await startBouncer(server);
    expect(await refused(await asked(bouncer, server.user), bytes)).toBe('SASL authentication failed');
    await stillServes(bouncer);
  });

  it.each([
    ['a query', message(FROM_CLIENT.query, text('SELECT 1'))], ['a message that is too long', Buffer.from([0x70, 0x7f, 0xff, 0xff, 0xff])],
    ['a message of a negative length', Buffer.from([0x70, 0xff, 0xff, 0xff, 0xff])],
  ])('that sends %s before it has logged in is turned away', async (_what, bytes) => {
    await using bouncer = await startBouncer(server);
    expect(await refused(await asked(bouncer, server.user), bytes)).toBeDefined();
    await stillServes(bouncer);
  });

  const { bind, close, describe: describes, parse } = FROM_CLIENT;
  it.each([
    ['a Parse without an end', message(parse, 'name')], ['a Bind without an end', message(bind, 'portal')],
    ['a Parse without an end', message(parse, 'name')], ['a Bind without an end', message(bind, 'portal')],
    ['an empty Describe', message(describes)], ['an empty Close', message(close)],
    ['a Describe of nothing', message(describes, 'S')], ['a message of no type', Buffer.of(0, 0, 0, 0, 4)],
    ['a length that is negative', Buffer.from([0x51, 0xff, 0xff, 0xff, 0xff])], ['a length of three', Buffer.from([0x51, 0, 0, 0, 3])],
  ])('that sends %s when it has logged in ends alone', async (_what, bytes) => {
    await using bouncer = await startBouncer(server, ['auth_type = trust', 'default_pool_size = 1']);
    const client = await WireClient.connect({ host: '127.0.0.1', port: bouncer.port, user: server.user, database: 'main' });
    await client.send(Buffer.concat([bytes, message(FROM_CLIENT.sync)]));
    await client.until(() => client.count(errorResponse) === 1);
    client.vanish();
    await stillServes(bouncer);
  });

  it.each(['scram-sha-256', 'md5', 'plain'])('cannot tell with auth_type = %s whether a user is there', async (type) => {
    await using bouncer = await startBouncer(server, [`auth_type = ${type}`]);
    const exchange = async (user: string): Promise<readonly unknown[]> => {
      const client = await asked(bouncer, user);
      const [question] = client.messages.splice(0);
      if (type !== 'scram-sha-256') {
        const said = await refused(client, message(FROM_CLIENT.password, text(`md5${'0'.repeat(32)}`)));
        return [question!.body.subarray(0, 4), said, client.lastError?.get('C')];
      }
      await client.send(initial('SCRAM-SHA-256', FIRST.length));
      await client.until(() => client.count(ofAuthentication) === 2);
      const [, nonce, salt, iterations] = /r=([^,]*),s=([^,]*),i=(\d+)/.exec(client.messages[0]!.body.toString()) ?? [];
      const proof = Buffer.alloc(32).toString('base64');
      const said = await refused(client, message(FROM_CLIENT.password, `c=biws,r=${nonce},p=${proof}`));
      salts.push(salt);
      return [question!.body, salt?.length, iterations, said, client.lastError?.get('C')];
    };
    const salts: unknown[] = [];
    const [known, again, nobody, nobodyAgain] = [
      await exchange(server.user), await exchange(server.user), await exchange('nobody'), await exchange('nobody'),
    ];
    expect(nobody).toEqual(known);
    expect([again, nobodyAgain]).toEqual([known, known]);
    // The salt of somebody who is there stays the same, and so does that of somebody who is not.
    expect(salts[0]).toBe(salts[1]);
    expect(salts[2]).toBe(salts[3]);
    expect(salts.length === 0 || salts[0] !== salts[2]).toBe(true);
  });
});

describe('a server', () => {
  /** Answers each connection with one function of what it has sent so far, which may give nothing yet. */
  async function pretend(answers: readonly ((sent: Buffer) => Buffer)[]): Promise<Server> {
    const pretender = createServer((socket) => {
      let turn = 0;
      socket.on('error', () => undefined).on('data', (bytes: Buffer) => {
        // The request for TLS.
        if (bytes.length === 8) socket.write('N');
        else socket.write(answers[Math.min(turn++, answers.length - 1)]!(bytes));
      });
    });
    await new Promise<void>((resolve) => pretender.listen(0, '127.0.0.1', resolve));
    return pretender;
  }

  const before = async (pretender: Server): Promise<Bouncer> => startBouncer(server, ['server_login_retry = 1', 'query_wait_timeout = 3'], [
    `main = host=127.0.0.1 port=${(pretender.address() as AddressInfo).port} dbname=x`,
    `real = host=${server.host} port=${server.port} dbname=${server.database}`,
  ]);

  async function saidTo(answers: readonly ((sent: Buffer) => Buffer)[]): Promise<pg.DatabaseError> {
    const pretender = await pretend(answers);
    try {
      await using bouncer = await before(pretender);
      const error = await bouncer.client().connect().then(() => undefined, (failure: unknown) => failure as pg.DatabaseError);
      const real = bouncer.client({ database: 'real' });
      await real.connect();
      await real.end();
      return error!;
    } finally {
      pretender.close();
    }
  }

  it.each([
    ['without a code', message(errorResponse, 'S', text('FATAL'), 'M', text('no code here'), Buffer.of(0)), 'no code here'],
    ['without a text', message(errorResponse, Buffer.of(0)), 'the server refused without saying why'],
  ])('that refuses %s is quoted as far as it goes', async (_what, bytes, words) => {
    const { code, message: said } = await saidTo([() => bytes]);
    expect({ code, said }).toEqual({ code: '08P01', said: words });
  });

  it.each([
    ['an error without an end', Buffer.concat([Buffer.of(errorResponse, 0, 0, 0, 8), Buffer.from('Mend')])],
    ['a length that is negative', Buffer.of(FROM_SERVER.dataRow, 0xff, 0xff, 0xff, 0xff)],
    ['what nobody knows', Buffer.of(0, 0, 0, 0, 3)],
  ])('that answers a query with %s is left, and nobody else is', async (_what, bytes) => {
    const welcome = Buffer.concat([authentication(AUTH.ok), message(FROM_SERVER.readyForQuery, 'I')]);
    const pretender = await pretend([() => welcome, () => bytes]);
    try {
      await using bouncer = await before(pretender);
      const client = bouncer.client();
      await client.connect();
      await expect(client.query('SELECT 1')).rejects.toThrow('bad packet from server');
      const real = bouncer.client({ database: 'real' });
      await real.connect();
      await real.end();
    } finally {
      pretender.close();
    }
  });

  it.each<readonly [what: string, answer: (nonce: string) => string]>([
    ['an overlong nonce', (nonce) => `r=${nonce}${'x'.repeat(4_000)},s=c2FsdA==,i=4096`],
    ['a nonce of its own', () => 'r=another,s=c2FsdA==,i=4096'],
    ['iterations without end', (nonce) => `r=${nonce}more,s=c2FsdA==,i=2000000000`],
    ['no salt', (nonce) => `r=${nonce}more,s=,i=4096`],
  ])('that answers with %s learns nothing', async (_what, answer) => {
    const sent: Buffer[] = [];
    await saidTo([
      () => authenticationSasl(['SCRAM-SHA-256']),
      (bytes) => authentication(AUTH.saslContinue, answer(/r=([^,]*)/.exec(bytes.toString('latin1'))![1]!)),
      (bytes) => {
        sent.push(bytes);
        return Buffer.alloc(0);
      },
    ]);
    expect(sent.some((bytes) => bytes.includes('p='))).toBe(false);
  });

  it('that cannot show that it knows the secret is not believed', async () => {
    const { message: said } = await saidTo([
      () => authenticationSasl(['SCRAM-SHA-256']),
      (bytes) => authentication(AUTH.saslContinue, `r=${/r=([^,]*)/.exec(bytes.toString('latin1'))![1]!}more,s=c2FsdA==,i=4096`),
      () => authentication(AUTH.saslFinal, `v=${Buffer.alloc(32).toString('base64')}`),
    ]);
    expect(said).not.toBe('');
    expect(said).toMatch(/query_wait_timeout|invalid server signature/);
  });
});
