import { describe, expect, it } from 'vitest';
import {
  formatSecret, keysFromPassword, makeSecret, mockSecret, parseSecret, ScramClient, ScramError, ScramServer, verifyPassword,
  type ScramSecret,
} from '../../../packages/proxy/src/wire/pg/scram.ts';

const PASSWORD = 'a slice of π';

async function exchange(secret: ScramSecret, password: string): Promise<'in' | 'out'> {
  const [client, server] = [new ScramClient(), new ScramServer(secret)];
  const first = server.first(client.first());
  const shown = server.last(await client.last(first, (salt, iterations) => keysFromPassword(password, salt, iterations)));
  if (shown === undefined) return 'out';
  expect(client.accepts(shown.answer)).toBe(true);
  return 'in';
}

describe('SCRAM-SHA-256', () => {
  it('is as in RFC 7677, both ends', async () => {
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
    const secret = await makeSecret('pencil', 4096, salt);
    const server = new ScramServer(secret, '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0');
    expect(server.first('n,,n=user,r=rOprNGfwEbeRWgbNEkqO'))
      .toBe('r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096');
    const last = 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';
    expect(server.last(last)?.answer).toBe('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
  });

  it('lets in who knows the password, and nobody else', async () => {
    const secret = await makeSecret(PASSWORD, 100);
    expect(await exchange(secret, PASSWORD)).toBe('in');
    expect(await exchange(secret, 'another')).toBe('out');
    expect(await exchange(mockSecret('nobody', Buffer.alloc(32), 100), PASSWORD)).toBe('out');
  });

  it('shows keys that let one in elsewhere with the same secret', async () => {
    const secret = await makeSecret(PASSWORD, 100);
    const [client, server, elsewhere] = [new ScramClient(), new ScramServer(secret), new ScramServer(secret)];
    const shown = server.last(await client.last(server.first(client.first()), (salt, n) => keysFromPassword(PASSWORD, salt, n)))!;
    const second = new ScramClient();
    expect(elsewhere.last(await second.last(elsewhere.first(second.first()), async () => shown.keys))).toBeDefined();
  });

  it('writes and reads a secret as PostgreSQL keeps it', async () => {
    const secret = await makeSecret(PASSWORD, 4096);
    expect(parseSecret(formatSecret(secret))).toEqual(secret);
    expect(await verifyPassword(secret, PASSWORD)).toBe(true);
    expect(await verifyPassword(secret, 'another')).toBe(false);
    for (const text of ['', 'md5abc', 'SCRAM-SHA-256$4096:xx', `${formatSecret(secret)}x`]) expect(parseSecret(text)).toBeUndefined();
  });

  it('asks somebody who is not there with the same salt each time, and another than somebody else', () => {
    const key = Buffer.alloc(32, 7);
    const salts = ['a', 'a', 'b'].map((user) => mockSecret(user, key, 4096).salt.toString('hex'));
    expect(salts[0]).toBe(salts[1]);
    expect(salts[2]).not.toBe(salts[0]);
  });
});

describe('what no client may send', () => {
  const server = async (): Promise<ScramServer> => new ScramServer(await makeSecret(PASSWORD, 1), 'server');
  it.each([
    '', 'n', 'n,,', 'n,,n=user', 'p=tls-server-end-point,,n=,r=abc', 'n,,n=,r=', `n,,n=,r=${'a'.repeat(5_000)}`, 'n,,n=,r=a b',
    'n,,n=,r=abc,r=def', 'n,,garbage',
  ])('as a first message: %j', async (message) => {
    const end = await server();
    expect(() => end.first(message)).toThrow(ScramError);
  });

  it.each([
    '', 'c=biws', 'c=biws,r=abcserver', 'c=biws,r=another,p=AAAA', 'c=eSws,r=abcserver,p=AAAA', 'c=biws,r=abcserver,p=AAAA',
    'c=biws,r=abcserver,p=',
  ])('as a last message: %j', async (message) => {
    const end = await server();
    end.first('n,,n=,r=abc');
    expect(() => end.last(message)).toThrow(ScramError);
  });
});

it.each([
  '', 'r=short,s=AAAA,i=1', 'r=clientserver,s=,i=1', 'r=clientserver,s=AAAA,i=0', 'r=clientserver,s=AAAA,i=99999999999',
  'r=client,s=AAAA,i=1', `r=client${'a'.repeat(5_000)},s=AAAA,i=1`,
])('takes no such challenge from a server: %j', async (message) => {
  await expect(new ScramClient('client').last(message, (salt, n) => keysFromPassword('x', salt, n))).rejects.toThrow(ScramError);
});
