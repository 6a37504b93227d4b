// What the agents rely on in node:http beyond what is documented, in a form that is quick enough to be run on every Node (`npm run
// matrix`).

import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { agentOf, ask, read, serve } from '../../http/stage.ts';
import { until } from '../../support/postgres.ts';

for (const how of ['ends', 'resets'] as const) {
  test(`a request can be taken off a connection that the server ${how}, and be sent again as if nothing had been`, async () => {
    const used = new WeakSet<Socket>();
    const { origin, port } = await serve(({ socket, url }, response) => {
      if (used.has(socket)) {
        if (how === 'ends') socket.end();
        else socket.resetAndDestroy();
      } else {
        used.add(socket);
        response.end(url);
      }
    });
    const agent = agentOf({ acquireTimeoutMs: 60_000 });
    for (let nth = 1; nth <= 5; nth++) {
      await ask(agent, `${origin}/first`);
      await until('an idle connection', () => agent.stats().idle, (idle) => idle === 1);
      const told: string[] = [];
      const request = http.get({ port, host: '127.0.0.1', path: '/second', agent });
      for (const event of ['finish', 'response', 'error', 'close']) request.on(event, () => told.push(event));
      const [response] = await once(request, 'response') as [IncomingMessage];
      expect(await read(response)).toBe('/second');
      await until('it to be back', () => agent.stats(), ({ idle, size }) => idle === 1 && size === 1);
      expect([...told].sort()).toEqual(['close', 'finish', 'response']);
      expect(agent.stats().retries).toBe(nth);
      agent.destroy();
      await until('none to be left', () => agent.stats().size, (size) => size === 0);
    }
  });
}
