// A client of node-postgres without a server: it connects, answers and closes when it is told to, so that each order of events can be made.

import { EventEmitter } from 'node:events';

type Callback = (error?: unknown, result?: unknown) => void;

export class FakeClient extends EventEmitter {
  static all: FakeClient[] = [];
  /** What connects do: undefined, succeed at once. */
  static onConnect: ((client: FakeClient, callback: Callback) => void) | undefined;
  /** Closes that do not answer until they are let. */
  static holdEnds = false;
  readonly config: unknown;
  readonly statements: unknown[] = [];
  readonly connection: { readonly stream: { destroyed: boolean; destroy(): void } };
  _queryable = true;
  _ending = false;
  _activeQuery: unknown = null;
  _queryQueue: unknown[] = [];
  _poolUseCount = 0;
  status: 'I' | 'T' | 'E' = 'I';
  closed = false;
  referenced = true;
  failWith: unknown;
  release!: (error?: unknown) => void;
  finishEnd: () => void = () => {};

  constructor(config?: unknown) {
    super();
    this.config = config;
    const stream = { destroyed: false, destroy: (): void => { stream.destroyed = true; } };
    this.connection = { stream };
    FakeClient.all.push(this);
  }

  static reset(): void {
    FakeClient.all = [];
    FakeClient.onConnect = undefined;
    FakeClient.holdEnds = false;
  }

  static open(): FakeClient[] {
    return FakeClient.all.filter((client) => !client.closed);
  }

  connect(callback: Callback): void {
    if (FakeClient.onConnect === undefined) process.nextTick(callback, null);
    else FakeClient.onConnect(this, callback);
  }

  query(text: unknown, values?: unknown, callback?: Callback): unknown {
    if (text === null || text === undefined) throw new TypeError('Client was passed a null or undefined query');
    this.statements.push(text);
    const answer = (typeof values === 'function' ? values : callback) as Callback | undefined;
    const error = text === 'bad' ? Object.assign(new Error('syntax'), { severity: 'ERROR', code: '42601' }) : this.failWith;
    if (answer === undefined) return error === undefined ? Promise.resolve({ rows: [] }) : Promise.reject(error);
    process.nextTick(() => {
      if (error === undefined) answer(null, { rows: [{ text, values }] });
      else answer(error);
    });
    return undefined;
  }

  getTransactionStatus(): string {
    return this.status;
  }

  end(callback: Callback = () => {}): void {
    this._ending = true;
    this.finishEnd = () => {
      this.closed = true;
      this.emit('end');
      callback();
    };
    if (!FakeClient.holdEnds) process.nextTick(this.finishEnd);
  }

  ref(): void {
    this.referenced = true;
  }

  unref(): void {
    this.referenced = false;
  }

  /** As when the server goes. */
  die(error: unknown = new Error('Connection terminated unexpectedly')): void {
    this._queryable = false;
    this.emit('error', error);
  }
}
