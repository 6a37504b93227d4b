import { once } from 'node:events';
import { createServer, createConnection, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { feed } from '../../../packages/proxy/src/wire/pg/feed.ts';

const opened: { destroy(): void }[] = [];
afterEach(() => { for (const each of opened.splice(0)) each.destroy(); });

/** Two ends of one connection. */
async function pair(): Promise<readonly [near: Socket, far: Socket]> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = createConnection((server.address() as AddressInfo).port, '127.0.0.1');
  const [far] = await once(server, 'connection') as [Socket];
  server.close();
  opened.push(near, far);
  return [near, far];
}

const soon = { timeout: 20_000 };

it('gives what comes without the stream, and the end as always', async () => {
  const [near, far] = await pair();
  let seen = '';
  feed(near, (chunk) => { seen += chunk.toString(); });
  const emitted = vi.fn();
  near.on('data', emitted);
  const ended = once(near, 'end');
  far.end('one');
  await ended;
  expect(seen).toBe('one');
  expect(emitted).not.toHaveBeenCalled();
});

it('keeps what comes during a pause, stops reading, and gives all of it in order', async () => {
  const [near, far] = await pair();
  let seen = 0;
  let inOrder = true;
  feed(near, (chunk) => {
    for (const byte of chunk) inOrder &&= byte === seen++ % 251;
  });
  const all = Buffer.from(Array.from({ length: 8_000_000 }, (_, index) => index % 251));
  near.pause();
  far.write(all);
  // As much as stream and kernel hold, and no more.
  await vi.waitUntil(() => near.readableLength > 0 && far.writableLength > 0, soon);
  expect(seen).toBe(0);
  near.resume();
  await vi.waitUntil(() => seen === all.length, soon);
  expect(inOrder).toBe(true);
});

it('can be paused by what it gives', async () => {
  const [near, far] = await pair();
  const seen: string[] = [];
  feed(near, (chunk) => {
    seen.push(chunk.toString());
    near.pause();
  });
  far.write('one');
  await vi.waitUntil(() => seen.length === 1, soon);
  far.write('two');
  await vi.waitUntil(() => near.readableLength > 0, soon);
  expect(seen).toEqual(['one']);
  near.resume();
  await vi.waitUntil(() => seen.length === 2, soon);
  expect(seen).toEqual(['one', 'two']);
});
