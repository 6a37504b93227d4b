// The console against those who mean it no good, or who go without a word.

import { once } from 'node:events';
import { createServer, request as ask, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { connect as connect2, createServer as createServer2 } from 'node:http2';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Snapshot } from 'millpond/console';
import { consoleOf, open, undo } from '../../support/console-stage.ts';

async function serve(listener: RequestListener): Promise<Server> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return server;
}

const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;

/** Sends a request as it stands. */
function raw(server: Server, head: string, body = ''): Socket {
  const socket = connect(portOf(server), '127.0.0.1');
  undo.push(() => socket.destroy());
  const lines = [`${head} HTTP/1.1`, 'Host: localhost', ...(body === '' ? [] : [`Content-Length: ${body.length}`]), '', body];
  socket.on('error', () => undefined).write(lines.join('\r\n'));
  return socket;
}

const answerOf = async (socket: Socket): Promise<string> => String((await once(socket, 'data'))[0]).split('\r\n')[0]!;

it('answers what is no address', async () => {
  const server = await serve(consoleOf().handler);
  for (const path of ['//', '//[', 'http://[/', '/?%', '/%']) {
    expect(await answerOf(raw(server, `GET ${path}`)), path).toMatch(/ (200|302|400) /);
  }
});

it('sends nobody to another site, and to the address that was asked for', async () => {
  const { fetch: answer } = consoleOf({ auth: () => true });
  const places = ['https:evil.example', 'my%20pools'].map(async (name) => {
    const location = (await answer(new Request(`http://app/${name}`))).headers.get('location')!;
    return new URL(location, `http://app/${name}`).href;
  });
  expect(await Promise.all(places)).toEqual(['http://app/https:evil.example/', 'http://app/my%20pools/']);
});

it('takes no connection that has ended for one of this machine', async () => {
  const pool = open('orders');
  const { handler } = consoleOf({ actions: true });
  const answered = new Promise<number>((resolve) => {
    void serve((request, response) => {
      // As after a parser of bodies, and whatever else an app does before.
      request.resume().socket.on('close', () => {
        Object.assign(request, { body: { pool: 'orders', action: 'pause' } });
        request.headers['x-millpond-console'] = '1';
        response.writeHead = (status: number) => {
          resolve(status);
          return response;
        };
        handler(request, response);
      });
      request.socket.destroy();
    }).then((server) => raw(server, 'POST /actions', '{}'));
  });
  expect(await answered).toBe(403);
  expect(pool.state).toBe('open');
});

it('lets in who comes by a Unix socket', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'console-'));
  undo.push(() => { rmSync(folder, { recursive: true }); });
  const socketPath = join(folder, 'socket');
  const server = createServer(consoleOf().handler).listen(socketPath);
  undo.push(() => server.close());
  await once(server, 'listening');
  const asking = ask({ socketPath, path: '/snapshot', headers: { connection: 'close' } }).end();
  const [response] = await once(asking, 'response') as [IncomingMessage];
  response.resume();
  expect(response.statusCode).toBe(200);
});

it('keeps no place for viewers who have gone while it was decided whether they may look', async () => {
  const waiting: (() => void)[] = [];
  let patient = true;
  const { handler } = consoleOf({
    auth: () => new Promise((resolve) => {
      if (patient) waiting.push(() => { resolve(true); });
      else resolve(true);
    }),
  });
  const gone: Promise<unknown>[] = [];
  const server = await serve((request, response) => {
    gone.push(once(response, 'close'));
    handler(request, response);
  });
  const sockets = Array.from({ length: 32 }, () => raw(server, 'GET /events'));
  await expect.poll(() => waiting.length, { timeout: 20_000 }).toBe(32);
  for (const socket of sockets) socket.destroy();
  await Promise.all(gone);
  patient = false;
  for (const go of waiting) go();
  const stream = (await fetch(`http://127.0.0.1:${portOf(server)}/events`)).body!.getReader();
  expect(new TextDecoder().decode((await stream.read()).value)).toContain('event: hello');
  await stream.cancel();
});

it('answers HEAD for the stream at once, and keeps it from being compressed', async () => {
  const server = await serve(consoleOf().handler);
  const url = `http://127.0.0.1:${portOf(server)}/events`;
  expect((await fetch(url, { method: 'HEAD' })).headers.get('cache-control')).toBe('no-store, no-transform');
  const { fetch: answer } = consoleOf({ auth: () => true });
  expect((await answer(new Request('http://app/events', { method: 'HEAD' }))).body).toBeNull();
});

it('does not keep a server from closing', async () => {
  const server = await serve(consoleOf().handler);
  const stream = (await fetch(`http://127.0.0.1:${portOf(server)}/events`)).body!.getReader();
  await stream.read();
  server.close();
  await once(server, 'close');
});

it('says that it is closed', async () => {
  const made = consoleOf({ auth: () => true });
  made.close();
  for (const name of ['', 'snapshot', 'events']) expect((await made.fetch(new Request(`http://app/${name}`))).status).toBe(503);
});

it('speaks HTTP/2', async () => {
  const server = createServer2(consoleOf().handler as never).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect2(`http://127.0.0.1:${portOf(server)}`);
  undo.push(() => server.close(), () => { client.destroy(); });
  for (const [path, words] of [['/snapshot', '"pools"'], ['/events', 'event: hello']] as const) {
    const stream = client.request({ ':path': path });
    expect(String((await once(stream, 'data'))[0])).toContain(words);
    stream.close();
  }
});

it('takes a pool for one of a worker only if it is none of its own', async () => {
  const pool = open('worker:7:orders');
  const { fetch: answer } = consoleOf({ auth: () => true, actions: true });
  const seen = await (await answer(new Request('http://app/snapshot?pool=worker:7:orders'))).json() as Snapshot;
  expect(seen.detail?.id).toBe('worker:7:orders');
  const body = JSON.stringify({ pool: 'worker:7:orders', action: 'pause' });
  const asked = new Request('http://app/actions', { method: 'POST', headers: { 'X-Millpond-Console': '1' }, body });
  expect((await answer(asked)).status).toBe(200);
  expect(pool.state).toBe('paused');
});
