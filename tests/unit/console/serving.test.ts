// The console over HTTP: mounted in a server of one's own, on a port of its own, and behind Request and Response.

import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { createConsole, type Console, type Snapshot } from 'millpond/console';
import { consoleOf, open, undo } from '../../support/console-stage.ts';

/** A server that gives everything to the console. Returns its address. */
async function mounted({ handler }: Console): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  undo.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => { server.close(resolve); });
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const snapshotAt = async (url: string): Promise<Snapshot> => await (await fetch(url)).json() as Snapshot;

/** The first messages of a stream of events. */
async function messages(url: string, count: number): Promise<{ readonly event: string; readonly data: Snapshot }[]> {
  const response = await new Promise<IncomingMessage>((resolve) => { get(url, resolve); });
  let text = '';
  const found: { event: string; data: Snapshot }[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) {
    text += chunk.toString();
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const [, event, data] = /event: (\w+)\ndata: (.*)$/s.exec(text.slice(0, end))!;
      found.push({ event: event!, data: JSON.parse(data!) as Snapshot });
      text = text.slice(end + 2);
    }
    if (found.length >= count) break;
  }
  return found;
}

it('shows a page that may run nothing and load nothing but what it brings, under any path', async () => {
  const base = await mounted(consoleOf());
  for (const path of ['/', '/deep/inside/']) {
    const response = await fetch(base + path);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-security-policy'))
      .toMatch(/default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; connect-src 'self'/);
    const page = await response.text();
    expect(page).not.toMatch(/https?:\/\/(?!www\.w3\.org)/);
    expect(page).toContain('<main');
  }
  const bare = await fetch(`${base}/deep/inside`, { redirect: 'manual' });
  expect([bare.status, bare.headers.get('location')]).toEqual([302, 'inside/']);
});

it('tells a snapshot, and the same once a second to who looks', async () => {
  const pool = open('orders');
  const base = await mounted(consoleOf());
  const lease = await pool.acquire({ label: 'me' });
  expect(await snapshotAt(`${base}/snapshot?pool=orders`)).toMatchObject({
    actions: false, pools: [{ id: 'orders', stats: { borrowed: 1 } }], detail: { id: 'orders', holders: [{ label: 'me' }] },
  });
  const [hello, now] = await messages(`${base}/events?pool=orders`, 2);
  expect([hello!.event, now!.event]).toEqual(['hello', 'now']);
  expect(hello!.data.events.map(({ kind }) => kind)).toEqual(['create']);
  expect(now!.data.events).toEqual([]);
  expect(now!.data.detail!.points).toHaveLength(1);
  lease.release();
});

it('changes nothing unless it may, and nothing that another site asks for', async () => {
  const pool = open('orders');
  const [readOnly, changing] = [await mounted(consoleOf()), await mounted(consoleOf({ actions: true }))];
  const post = async (base: string, headers: Record<string, string>, body: unknown): Promise<readonly [number, string]> => {
    const response = await fetch(`${base}/actions`, { method: 'POST', headers, body: JSON.stringify(body) });
    return [response.status, await response.text()];
  };
  const own = { 'X-Millpond-Console': '1' };
  const pause = { pool: 'orders', action: 'pause' };
  expect(await post(readOnly, own, pause)).toEqual([403, expect.stringContaining('actions are off')]);
  expect(await post(changing, {}, pause)).toEqual([403, expect.stringContaining('X-Millpond-Console')]);
  expect(await post(changing, { ...own, Origin: 'http://evil.example' }, pause)).toEqual([403, expect.anything()]);
  const nowhere = { pool: 'nowhere', action: 'pause' };
  expect(await post(changing, own, nowhere)).toEqual([400, expect.stringContaining('there is no pool "nowhere"')]);
  expect((await post(changing, own, 'x'.repeat(20_000)))[0]).toBe(400);
  expect((await fetch(`${changing}/actions`)).status).toBe(405);
  expect(pool.state).toBe('open');
  expect(await post(changing, own, pause)).toEqual([200, expect.stringContaining('paused')]);
  expect(pool.state).toBe('paused');
});

it('on a port of its own asks for a token, which it makes up, and takes it out of the address', async () => {
  open('orders');
  const { url, close } = await consoleOf().listen();
  undo.push(close);
  const { origin } = new URL(url);
  expect((await fetch(`${origin}/snapshot`)).status).toBe(401);
  const welcome = await fetch(url, { redirect: 'manual' });
  expect([welcome.status, welcome.headers.get('location')]).toEqual([302, './']);
  const cookie = welcome.headers.get('set-cookie')!.split(';')[0]!;
  expect((await fetch(`${origin}/`, { headers: { cookie } })).status).toBe(200);
  expect((await snapshotAt(url.replace('/?', '/snapshot?'))).pools).toHaveLength(1);
});

it('answers a Request, with auth only', async () => {
  open('orders');
  const refused = await consoleOf().fetch(new Request('http://app/pools/'));
  expect(refused.status).toBe(403);
  const { fetch: answer } = consoleOf({ auth: () => true });
  expect((await answer(new Request('http://app/pools/'))).headers.get('content-type')).toContain('text/html');
  expect((await answer(new Request('http://app/pools'))).headers.get('location')).toBe('pools/');
  const stream = (await answer(new Request('http://app/pools/events'))).body!.getReader();
  const first = new TextDecoder().decode((await stream.read()).value);
  expect(first).toContain('event: hello');
  await stream.cancel();
});

it('lets no more viewers in than it can serve, and others when they have gone', async () => {
  open('orders');
  const { fetch: answer } = consoleOf({ auth: () => true });
  const look = async (): Promise<ReadableStreamDefaultReader<Uint8Array>> =>
    (await answer(new Request('http://app/events'))).body!.getReader();
  const streams = await Promise.all(Array.from({ length: 33 }, look));
  const last = new TextDecoder().decode((await streams.at(-1)!.read()).value);
  expect(last).toContain('event: full');
  await Promise.all(streams.map((stream) => stream.cancel().catch(() => undefined)));
  const again = await look();
  expect(new TextDecoder().decode((await again.read()).value)).toContain('event: hello');
  await again.cancel();
});

it('does not keep a server from closing, and answers no more when it is closed itself', async () => {
  open('orders');
  const shown = consoleOf();
  const server = createServer(shown.handler);
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const viewer = await new Promise<IncomingMessage>((resolve) => { get(`${base}/events`, resolve); });
  viewer.on('error', () => undefined).resume();
  await new Promise((resolve) => { server.close(resolve); });
  const { fetch: answer, close } = consoleOf({ auth: () => true });
  close();
  expect((await answer(new Request('http://app/snapshot'))).status).toBe(503);
});

it.each([
  [{ auth: 'short' }, /at least 8/], [{ auth: 7 }, /token/], [{ actions: 'yes' }, /actions/], [{ pools: [] }, /pools/], [{ port: 1 },
    /no option port/],
])('refuses options that are wrong: %j', (options, message) => {
  expect(() => createConsole(options as never)).toThrow(message);
});
