// What reaches the console that was not meant for it: addresses that are none, connections that have gone, and questions with a purpose.

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request, type RequestListener, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { consoleOf, open, undo } from '../../support/console-stage.ts';

async function serve(listener: RequestListener, ...where: [port: number, host: string] | [path: string]): Promise<Server> {
  const server = createServer(listener);
  server.listen(...where as [string]);
  await once(server, 'listening');
  undo.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => { server.close(resolve); });
  });
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

/** Writes the bytes as they are; resolves with the first line of the answer. */
async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(bytes);
  let answer = '';
  for await (const chunk of socket as AsyncIterable<Buffer>) answer += chunk.toString();
  return answer.split('\r\n')[0]!;
}

it('survives an address that is none', async () => {
  const port = portOf(await serve(consoleOf().handler, 0, '127.0.0.1'));
  for (const address of ['//', '///', 'http://[']) {
    const asked = `GET ${address} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    expect(await raw(port, asked), address).toBe('HTTP/1.1 400 Bad Request');
  }
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
});

it('sends nobody elsewhere', async () => {
  const base = `http://127.0.0.1:${portOf(await serve(consoleOf().handler, 0, '127.0.0.1'))}`;
  for (const [asked, to] of [['/x/https:evil.example', '/x/https:evil.example/'], ['/a%20b', '/a%20b/'], ['/pools', '/pools/']]) {
    const { headers } = await fetch(base + asked!, { redirect: 'manual' });
    expect(new URL(headers.get('location')!, base + asked!).href).toBe(base + to!);
  }
});

it('takes who asks by a Unix socket for this machine, and a connection that has gone for nobody', async () => {
  const pool = open('orders');
  const { handler } = consoleOf({ actions: true });
  const folder = mkdtempSync(join(tmpdir(), 'millpond-console-'));
  undo.push(() => rmSync(folder, { recursive: true }));
  const socketPath = join(folder, 'console.sock');
  await serve(handler, socketPath);
  const asked = request({ socketPath, path: '/snapshot', headers: { host: 'localhost' } }).end();
  const [answer] = await once(asked, 'response') as [{ readonly statusCode: number; resume(): void }];
  answer.resume();
  expect(answer.statusCode).toBe(200);

  // A middleware has read the body and takes its time; whoever asked hangs up.
  const answered = new Promise<number>((resolve) => {
    void serve((given, response) => {
      given.resume().socket.once('close', () => {
        response.writeHead = (status: number) => {
          resolve(status);
          return response;
        };
        handler(Object.assign(given, { body: { pool: 'orders', action: 'pause' } }), response);
      });
    }, 0, '127.0.0.1').then((server) => {
      const socket = connect(portOf(server), '127.0.0.1');
      const headers = ['POST /actions HTTP/1.1', 'Host: localhost', 'X-Millpond-Console: 1', 'Content-Length: 0', '', ''];
      socket.write(headers.join('\r\n'), () => socket.resetAndDestroy());
    });
  });
  expect(await answered).toBe(403);
  expect(pool.state).toBe('open');
});

it('gives no viewer\'s place to who only asks what there would be', async () => {
  open('orders');
  const { fetch: answer } = consoleOf({ auth: () => true });
  for (let n = 0; n < 40; n++) {
    const head = await answer(new Request('http://app/events', { method: 'HEAD' }));
    expect([head.status, head.body]).toEqual([200, null]);
  }
  const stream = (await answer(new Request('http://app/events'))).body!.getReader();
  expect(new TextDecoder().decode((await stream.read()).value)).toContain('event: hello');
  await stream.cancel();
});

it('reads no more of an action than an action can have', async () => {
  open('orders');
  const { fetch: answer } = consoleOf({ auth: () => true, actions: true });
  let pulled = 0;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      pulled++;
      controller.enqueue(new Uint8Array(1_000));
    },
  });
  const init = { method: 'POST', headers: { 'X-Millpond-Console': '1' }, body, duplex: 'half' } as RequestInit;
  const refused = await answer(new Request('http://app/actions', init));
  expect([refused.status, await refused.text()]).toEqual([400, 'an action has at most 16384 bytes\n']);
  expect(pulled).toBeLessThan(30);
});
