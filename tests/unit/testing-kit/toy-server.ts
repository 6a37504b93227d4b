// A server in memory and a factory for connections to it, for testing the contract for factories: as it is it keeps the contract; with one
// of its faults switched on it does not.

import { EventEmitter } from 'node:events';
import type { Factory } from 'millpond';

export const FACTORY_FAULTS = [
  'create hands out the same',
  'create ignores an aborted signal',
  'aborted create leaks',
  'late abort kills',
  'create hangs when refused',
  'refused create leaks',
  'refused create throws no error',
  'validate always true',
  'validate uses it up',
  'validate hangs when aborted',
  'destroy leaves it open',
  'second destroy throws off another',
  'destroy of the dead hangs',
  'death goes unheard',
  'death is not broken',
  'isBroken from the start',
  'unsubscribe does nothing',
  'unsubscribe removes all',
  'planned end is a loss',
  'reset leaves state',
  'reset breaks',
  'kill takes the others',
  'classify throws',
  'classify says maybe',
  'listener called at once',
] as const;
export type FactoryFault = (typeof FACTORY_FAULTS)[number];

export class Connection extends EventEmitter {
  open = true;
  /** Left behind by whoever used it. */
  session = '';
  worn = false;
}

export class ToyServer {
  readonly open = new Set<Connection>();
  refusing = false;
  readonly #latencyMs = 2;

  async connect(): Promise<Connection> {
    await sleep(this.#latencyMs);
    if (this.refusing) throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    const connection = new Connection();
    this.open.add(connection);
    return connection;
  }

  async query(connection: Connection): Promise<string> {
    await sleep(1);
    if (!connection.open || !this.open.has(connection) || connection.worn) throw new Error('connection is closed');
    return 'one row';
  }

  async end(connection: Connection): Promise<void> {
    await sleep(1);
    connection.open = false;
    this.open.delete(connection);
  }

  kill(connection: Connection): void {
    this.open.delete(connection);
    connection.open = false;
    setTimeout(() => connection.emit('dead', new Error('reset by peer')), 1);
  }
}

export function toyFactory(server: ToyServer, fault?: FactoryFault): Factory<Connection> {
  const has = (each: FactoryFault): boolean => each === fault;
  let same: Connection | undefined;
  return {
    async create({ signal }) {
      if (!has('create ignores an aborted signal') && !has('aborted create leaks')) signal.throwIfAborted();
      if (has('create hangs when refused') && server.refusing) await new Promise(() => undefined);
      if (has('refused create throws no error') && server.refusing) throw 'refused';
      if (has('refused create leaks') && server.refusing) server.open.add(new Connection());
      const connection = has('create hands out the same') ? (same ??= await server.connect()) : await server.connect();
      if (signal.aborted && !has('create ignores an aborted signal')) {
        if (!has('aborted create leaks')) await server.end(connection);
        signal.throwIfAborted();
      }
      if (has('late abort kills')) signal.addEventListener('abort', () => server.kill(connection));
      return connection;
    },
    async destroy(connection) {
      if (has('planned end is a loss')) connection.emit('lost', 'destroyed');
      if (has('destroy leaves it open')) return;
      if (!connection.open) {
        if (has('destroy of the dead hangs')) await new Promise(() => undefined);
        if (has('second destroy throws off another')) for (const other of server.open) await server.end(other);
        return;
      }
      await server.end(connection);
    },
    async validate(connection, { signal }) {
      if (has('validate always true')) return true;
      if (has('validate hangs when aborted') && signal.aborted) await new Promise(() => undefined);
      await server.query(connection);
      if (has('validate uses it up')) connection.worn = true;
      return true;
    },
    async reset(connection) {
      if (has('reset breaks')) connection.worn = true;
      if (!has('reset leaves state')) connection.session = '';
      await sleep(1);
    },
    isBroken: (connection) => has('isBroken from the start') || (!connection.open && !has('death is not broken')),
    onLost(connection, listener) {
      if (has('listener called at once')) listener();
      const heard = has('death goes unheard') ? () => undefined : (cause: unknown) => listener(cause);
      connection.on('dead', heard);
      if (has('planned end is a loss')) connection.on('lost', heard);
      if (has('kill takes the others')) connection.once('dead', () => server.open.forEach((other) => server.kill(other)));
      return () => {
        if (has('unsubscribe removes all')) connection.removeAllListeners('dead');
        else if (!has('unsubscribe does nothing')) connection.off('dead', heard);
        if (!has('planned end is a loss')) connection.off('lost', heard);
      };
    },
    classify(error) {
      if (has('classify throws')) return (error as { code: string }).code === 'x' ? 'permanent' : 'transient';
      if (has('classify says maybe')) return 'maybe' as 'transient';
      return 'transient';
    },
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
