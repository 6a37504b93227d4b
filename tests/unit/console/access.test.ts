import { describe, expect, it } from 'vitest';
import { isFromPage, judge, type Asker, type Auth } from '../../../packages/millpond/src/console/access.ts';

interface Given { readonly remoteAddress?: string | undefined; readonly query?: string; readonly headers?: Readonly<Record<string,
  string>> }

function asker({ query = '', headers = {}, ...rest }: Given = {}): Asker {
  const remoteAddress = 'remoteAddress' in rest ? rest.remoteAddress : '127.0.0.1';
  const all: Readonly<Record<string, string>> = { host: 'localhost:9000', ...headers };
  return { method: 'GET', remoteAddress, query: new URLSearchParams(query), header: (name) => all[name] };
}

const status = async (given: Given, auth?: Auth): Promise<number> => {
  const verdict = await judge(asker(given), auth);
  return verdict.may ? 200 : verdict.status;
};

describe('without auth', () => {
  it.each([
    ['this machine', {}],
    ['this machine by its other addresses', { remoteAddress: '::1', headers: { host: '[::1]:9000' } }],
    ['this machine by the old address in the new form', { remoteAddress: '::ffff:127.0.0.1', headers: { host: '127.0.0.1' } }],
    ['a Unix socket', { remoteAddress: '' }],
  ])('lets in %s', async (_, given) => {
    expect(await status(given)).toBe(200);
  });

  it.each([
    ['another machine', { remoteAddress: '10.0.0.7' }],
    ['one that only looks like this', { remoteAddress: '127.0.0.1.evil' }],
    ['nobody knows who', { remoteAddress: undefined }],
    ['a name that was pointed here', { headers: { host: 'evil.example' } }],
    ['a name that begins like this machine', { headers: { host: 'localhost.evil.example' } }],
    ['no name at all', { headers: { host: '' } }],
    ['a page of another site', { headers: { origin: 'http://evil.example' } }],
    ['a page of nowhere', { headers: { origin: 'null' } }],
    ['a proxy on this machine', { headers: { 'x-forwarded-for': '10.0.0.7' } }],
    ['a proxy that says it in another way', { headers: { forwarded: 'for=10.0.0.7' } }],
  ])('turns away %s', async (_, given: Given) => {
    expect(await status(given)).toBe(403);
  });
});

describe('with a token', () => {
  const token = 'a long secret';
  it('lets in who has it, from wherever', async () => {
    const remoteAddress = '10.0.0.7';
    expect(await status({ remoteAddress, query: `token=${token}` }, token)).toBe(200);
    expect(await status({ remoteAddress, headers: { authorization: `Bearer ${token}` } }, token)).toBe(200);
  });

  it('turns away who has not, this machine too', async () => {
    const headers = [{ authorization: 'Bearer wrong' }, { authorization: token }, { cookie: 'x=y' }];
    for (const given of [{}, { query: 'token=' }, { query: 'token=wrong' }, ...headers.map((each) => ({ headers: each }))]) {
      expect(await status(given as Given, token)).toBe(401);
    }
  });

  it('remembers it in a cookie that no script and no other site sees', async () => {
    const verdict = await judge(asker({ query: `token=${token}` }), token);
    const cookie = verdict.may ? verdict.remember ?? '' : '';
    expect(cookie).toMatch(/HttpOnly; SameSite=Strict$/);
    expect(await status({ headers: { cookie: `other=1; ${cookie.split(';')[0]}` } }, token)).toBe(200);
    expect(await status({ headers: { cookie: 'millpond_console=%' } }, token)).toBe(401);
  });
});

it('asks a function for each request, and takes its word', async () => {
  expect(await status({ remoteAddress: '10.0.0.7' }, () => true)).toBe(200);
  expect(await status({}, async ({ query }) => query.get('who') === 'boss')).toBe(403);
  expect(await status({ query: 'who=boss' }, async ({ query }) => query.get('who') === 'boss')).toBe(200);
});

it('takes an action from the page itself, and from no other', () => {
  const own = { 'x-millpond-console': '1' };
  expect(isFromPage(asker({ headers: { ...own, origin: 'http://localhost:9000' } }))).toBe(true);
  expect(isFromPage(asker({ headers: own }))).toBe(true);
  expect(isFromPage(asker({ headers: { origin: 'http://localhost:9000' } }))).toBe(false);
  for (const origin of ['http://evil.example', 'http://localhost:1', 'null']) {
    expect(isFromPage(asker({ headers: { ...own, origin } }))).toBe(false);
  }
});
