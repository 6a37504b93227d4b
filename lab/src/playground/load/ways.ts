// Three ways to come by a connection: lent by a pool, one that all share, and a new one for each request. All give up after the same time.
import { Socket } from 'node:net';
import type { PgPool } from 'millpond/pg';
import pg from 'pg';
import type { Question } from './order.ts';

export interface Connect {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** Requests without a connection and with one; connections that nobody uses, and those that are being made. */
export interface Inside {
  readonly waiting: number;
  readonly borrowed: number;
  readonly idle: number;
  readonly connecting: number;
}

export interface Way {
  request(question: Question): Promise<unknown>;
  inside(): Inside;
  /** Closes what it has open; whoever waits is turned away. */
  leave(): void;
}

/** How long a user waits for an answer, the wait for a connection included. */
export const PATIENCE_MS = 3000;
/** The one connection that all share is not given up with the user who asked for it first. */
const CONNECT_WITHIN_MS = 10_000;
/** What the pool's holders are shown with. */
export const ORDER_LABEL = 'POST /orders';

class GaveUp extends Error {
  readonly code = 'GAVE_UP_WAITING';
}

export function lent(pool: PgPool): Way {
  return {
    request: ({ text, values }) => pool.query(text, values, { timeoutMs: PATIENCE_MS, label: ORDER_LABEL }),
    inside: () => {
      const { waiting, borrowed, idle, creating } = pool.stats();
      return { waiting, borrowed, idle, connecting: creating };
    },
    // The pool stays, for whoever leaks or holds a transaction; only its line is sent away, or connections would be made for it.
    leave: () => {
      pool.pause({ reject: true });
      pool.resume();
    },
  };
}

export function perRequest(connect: Connect): Way {
  const open = new Set<Socket>();
  let connecting = 0;
  return {
    request: async ({ text, values }) => {
      const { client, socket } = quietClient(connect);
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      connecting += 1;
      try {
        await client.connect().finally(() => { connecting -= 1; });
        return await client.query(text, [...values]);
      } finally {
        hangUp(client, socket);
      }
    },
    inside: () => ({ waiting: 0, borrowed: open.size - connecting, idle: 0, connecting }),
    leave: () => {
      for (const socket of open) socket.destroy();
    },
  };
}

/** One connection, and a line of those who want it. It is made anew when it is lost. */
export function shared(connect: Connect): Way {
  let current: { client: pg.Client; socket: Socket; ready: Promise<unknown> } | undefined;
  let last: Promise<void> = Promise.resolve();
  let inLine = 0;
  let left = false;
  const drop = (): void => {
    current?.socket.destroy();
    current = undefined;
  };
  const ask = async ({ text, values }: Question): Promise<unknown> => {
    if (left) throw new GaveUp('The shared connection was closed.');
    if (current === undefined) {
      const made = quietClient(connect, CONNECT_WITHIN_MS);
      current = { ...made, ready: made.client.connect() };
      made.socket.once('close', () => { if (current?.socket === made.socket) current = undefined; });
    }
    const { client, ready, socket } = current;
    try {
      await ready;
      return await client.query(text, [...values]);
    } catch (error) {
      // An answer that comes late would be taken for that of the next: the connection goes, unless the server itself said no.
      if (!(error instanceof pg.DatabaseError) && current?.socket === socket) drop();
      throw error;
    }
  };
  return {
    request: (question) => {
      inLine += 1;
      const line = new Line(last, () => ask(question));
      last = line.over;
      return line.answer.finally(() => { inLine -= 1; });
    },
    inside: () => {
      const idle = inLine === 0 && current !== undefined ? 1 : 0;
      return { waiting: Math.max(0, inLine - 1), borrowed: Math.min(1, inLine), idle, connecting: 0 };
    },
    leave: () => {
      left = true;
      drop();
    },
  };
}

/** A place in a line: runs after the one before it, unless its owner has gone by then. */
class Line {
  readonly answer: Promise<unknown>;
  /** Resolves when the next may go. */
  readonly over: Promise<void>;

  constructor(before: Promise<void>, run: () => Promise<unknown>) {
    let gone = false;
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        gone = true;
        reject(new GaveUp(`No answer within ${PATIENCE_MS} ms: the one connection is busy with those who came before.`));
      }, PATIENCE_MS);
    });
    const work = before.then(() => gone ? undefined : run());
    this.over = work.then(() => undefined, () => undefined);
    this.answer = Promise.race([work, patience]).finally(() => clearTimeout(timer));
  }
}

/** A client whose connection may die while nobody looks: without a listener node-postgres would end the process. */
function quietClient(connect: Connect, connectWithinMs: number = PATIENCE_MS): { client: pg.Client; socket: Socket } {
  const socket = new Socket();
  const client = new pg.Client({
    ...connect, stream: () => socket, connectionTimeoutMillis: connectWithinMs, query_timeout: PATIENCE_MS, application_name: 'load',
  });
  client.on('error', () => undefined);
  return { client, socket };
}

const GOODBYE_MS = 1000;

/** The answer does not wait for the goodbye, and how that went is of no interest to anyone. A server that stands still gets none. */
function hangUp(client: pg.Client, socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), GOODBYE_MS);
  socket.once('close', () => clearTimeout(timer));
  client.end().catch(() => socket.destroy());
}
