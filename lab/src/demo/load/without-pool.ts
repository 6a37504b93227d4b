// What one does without a pool: a connection for each request (as many at once as there are requests, or held back to what the server
// allows), or one connection for everybody.
import { Socket } from 'node:net';
import pg from 'pg';
import type { Server, Strategy } from './strategy.ts';
import type { Question } from './workload.ts';

export function connectionEach(server: Server): Strategy {
  const open = new Set<Socket>();
  return {
    name: 'a connection per request',
    kind: 'each',
    connections: undefined,
    open: () => Promise.resolve(),
    request: (question) => oneShot(server, open, question, () => undefined),
    close: () => Promise.resolve(hangUp(open)),
  };
}

/** The kinder variant: whoever finds `limit` connections open waits for one to close, so that the server never has to refuse. */
export function connectionEachLimited(server: Server, limit: number): Strategy {
  const open = new Set<Socket>();
  const turns = turnstile(limit);
  return {
    name: `the same, ${limit} at a time`,
    kind: 'eachLimited',
    connections: limit,
    open: () => Promise.resolve(),
    request: async (question) => {
      await turns.enter();
      return oneShot(server, open, question, turns.leave);
    },
    close: () => {
      turns.shut();
      return Promise.resolve(hangUp(open));
    },
  };
}

export function sharedConnection(server: Server): Strategy {
  const socket = new Socket();
  const client = quietClient(server, socket);
  const turns = turnstile(1);
  return {
    name: 'one shared connection',
    kind: 'shared',
    connections: 1,
    open: async () => { await client.connect(); },
    request: async (question) => {
      await turns.enter();
      try {
        return await client.query(question.text, [...question.values]);
      } finally {
        turns.leave();
      }
    },
    close: async () => {
      turns.shut();
      await client.end();
    },
  };
}

async function oneShot(server: Server, open: Set<Socket>, question: Question, onClosed: () => void): Promise<unknown> {
  const socket = new Socket();
  const client = quietClient(server, socket);
  open.add(socket);
  try {
    await client.connect();
    return await client.query(question.text, [...question.values]);
  } finally {
    // The answer does not wait for the goodbye, and how that went is of no interest to anyone.
    client.end().catch(() => undefined).finally(() => {
      open.delete(socket);
      onClosed();
    });
  }
}

/** A client whose connection may die while nobody looks: without a listener node-postgres would end the process. */
function quietClient(server: Server, socket: Socket): pg.Client {
  const client = new pg.Client({ ...server, stream: () => socket });
  client.on('error', () => undefined); // the request under way is rejected as well, and counted there
  return client;
}

/** `client.end()` during `connect()` would leave that call pending for ever; a socket that closes ends it. */
function hangUp(open: ReadonlySet<Socket>): void {
  for (const socket of open) socket.destroy();
}

interface Turnstile {
  enter(): Promise<void>;
  leave(): void;
  /** Turns everybody away who waits or comes later. */
  shut(): void;
}

function turnstile(limit: number): Turnstile {
  let inside = 0;
  let closed = false;
  const line: { pass: () => void; refuse: (error: Error) => void }[] = [];
  let head = 0; // the first of the line; shift() would copy a thousand entries each time
  return {
    enter: () => {
      if (closed) return Promise.reject(new Error('closed'));
      if (inside < limit) {
        inside += 1;
        return Promise.resolve();
      }
      return new Promise((pass, refuse) => { line.push({ pass, refuse }); });
    },
    leave: () => {
      const next = line[head];
      if (!next) {
        inside -= 1;
        return;
      }
      head += 1;
      if (head > 1000) {
        line.splice(0, head);
        head = 0;
      }
      next.pass();
    },
    shut: () => {
      closed = true;
      for (const { refuse } of line.splice(head)) refuse(new Error('closed'));
    },
  };
}
