// ioredis. Its seam is `sendCommand`, a method of the client through which every command goes, those of pipelines and subscriptions too.
//
// A pooled client neither reconnects nor queues while it is offline: these are options of ioredis that are read when they matter, and are
// set here whatever the caller said.

import { PoolError } from '../../index.ts';
import type { Driver, IoCallback, IoClient, IoCommand, IoPipeline } from './driver.ts';
import { Session, type SessionOwner } from './session.ts';
import { SCOPE, type Scope, type Shared } from './shared.ts';
import type { RedisClient } from './types.ts';

const inside = (client: RedisClient): IoClient => client as unknown as IoClient;

const NO_PASSWORD = /no password is set|without any password configured/;

class IoSession extends Session {
  private readonly io: IoClient;
  /** What was written in this turn waits for its end, to leave in one write. */
  private corked = false;
  private ready = false;

  constructor(client: RedisClient, owner: SessionOwner) {
    super(client, owner, inside(client).options.db ?? 0);
    this.io = inside(client);
    Object.assign(this.io.options, {
      enableOfflineQueue: true, // while it connects: its own first commands
      retryStrategy: null, reconnectOnError: null, autoResubscribe: false, autoResendUnfulfilledCommands: false, maxRetriesPerRequest: null,
    });
  }

  get usable(): boolean {
    return !this.lost && this.io.status === 'ready' && this.io.stream?.writable === true;
  }

  get pending(): number {
    return this.io.commandQueue.length;
  }

  get subscribed(): boolean {
    return Boolean(this.io.condition?.subscriber);
  }

  call(...words: string[]): Promise<unknown> {
    const [name = '', ...args] = words;
    return this.io.call(name, ...args);
  }

  async begin(): Promise<void> {
    const { username, password, db, connectionName, readOnly, disableClientInfo } = this.io.options;
    const sent = [this.call('RESET')];
    if (password) {
      const credentials = username ? [username, password] : [password];
      sent.push(this.call('AUTH', ...credentials).catch((error: unknown) => {
        if (!NO_PASSWORD.test(String(error))) throw error; // as ioredis has it: the server wants none
      }));
    }
    if (db) sent.push(this.call('SELECT', String(db)));
    if (connectionName) sent.push(this.call('CLIENT', 'SETNAME', connectionName));
    if (readOnly) sent.push(this.call('READONLY'));
    if (!disableClientInfo) sent.push(this.call('CLIENT', 'SETINFO', 'LIB-NAME', 'ioredis').catch(() => undefined)); // Redis 7.2
    await Promise.all(sent);
  }

  connect(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const fail = (error: unknown): void => {
        signal.removeEventListener('abort', onAbort);
        this.lose(error);
        reject(this.cause);
      };
      const onAbort = (): void => fail(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      this.io.on('error', (error: unknown) => {
        if (this.ready) this.lose(error);
        else fail(error); // it tells more than the rejection of connect()
      });
      this.io.on('close', () => this.lose(new Error('the connection was closed')));
      const begun = async (): Promise<void> => {
        await this.io.connect();
        if (this.lost) return;
        this.io.options.enableOfflineQueue = false;
        this.tap();
        await this.ping();
      };
      begun().then(() => {
        if (this.lost) return;
        signal.removeEventListener('abort', onAbort);
        this.ready = true;
        this.keepListeners(this.io);
        resolve();
      }, fail);
    });
  }

  kill(): void {
    this.io.flushQueue(this.lossError(true, new Error('the connection was closed'))); // ahead of ioredis, which says less
    this.io.disconnect(); // no more attempts
    this.io.stream?.destroy(); // for that waits for the server to close
  }

  /** Writes of the same turn leave together. */
  cork(): void {
    const { stream } = this.io;
    if (this.corked || stream === undefined) return;
    this.corked = true;
    stream.cork();
    process.nextTick(() => {
      this.corked = false;
      stream.uncork();
    });
  }

  protected setReference(on: boolean): void {
    if (on) this.io.stream?.ref?.();
    else this.io.stream?.unref?.();
  }

  /**
   * The end of the connection has been read, and its `close` is not told yet: nothing can be written, and ioredis would only say so. What
   * belongs to a pipeline is not sent elsewhere: each command would go its own way.
   */
  private leave(command: IoCommand, piped: boolean): Promise<unknown> {
    this.lose(new Error('the connection was closed'));
    const reply = piped ? undefined
      : this.carrier?.sendElsewhere(command, (session) => inside(session.client).sendCommand(command));
    if (reply === undefined) command.reject(this.lossError(false, this.cause));
    else reply.catch((error: unknown) => command.reject(error));
    return command.promise;
  }

  /** Lets everything that is sent pass by. */
  private tap(): void {
    const { io } = this;
    const { sendCommand, handleReconnection } = io;
    io.sendCommand = (command, stream, node) => {
      if (io.stream?.writable !== true) return this.leave(command, stream !== undefined);
      const effect = this.sends(command.name, command.args, 0);
      // ioredis knows its own commands by small letters; the reply to a SUBSCRIBE in capitals would end the process.
      if (effect !== undefined) command.name = command.name.toLowerCase();
      const reply = sendCommand.call(io, command, stream, node);
      if (effect !== undefined) command.promise.catch(this.doubt);
      return reply;
    };
    io.handleReconnection = (error, item) => {
      this.replied(error);
      handleReconnection.call(io, error, item);
    };
    io.stream?.on('data', () => this.arrived()); // behind ioredis' own
    // Ahead of ioredis' own listener, which tells callers that their commands are lost.
    io.stream?.prependOnceListener('close', () => this.lose(new Error('the connection was closed')));
  }
}

// -------------------------------------------------------------------------------------------------------------- the shared client

const NOT_OURS = ['disconnect', 'end', 'duplicate', 'monitor'];

function share(client: RedisClient, shared: Shared): void {
  const io = inside(client);
  const own = (name: string, value: unknown): void => {
    Object.defineProperty(io, name, { value, configurable: true, writable: true });
  };
  io.on('error', () => undefined); // it has no connection that could fail
  io.options.enableAutoPipelining = false; // what is written in one turn leaves in one write in any case
  own('sendCommand', function sendCommand(this: IoClient, command: IoCommand): Promise<unknown> {
    const refused = shared.refusedFor(command.name, command.args, 0);
    if (refused !== undefined) {
      command.reject(refused);
      return command.promise;
    }
    const scope = scopeOf(this);
    const session = shared.seat(scope);
    if (session === undefined) {
      shared.seated(scope, (late) => send(late as IoSession, command)).catch((error: unknown) => command.reject(error));
    } else {
      void send(session as IoSession, command);
    }
    return command.promise;
  });
  const { pipeline, multi } = io;
  own('pipeline', function batch(this: IoClient, ...args: unknown[]): IoPipeline {
    return sharePipeline(pipeline.apply(this, args), scopeOf(this), shared, false);
  });
  own('multi', function batch(this: IoClient, ...args: unknown[]): unknown {
    const made = multi.apply(this, args);
    // Without a pipeline it sends MULTI, and that is refused.
    return made instanceof Promise ? made : sharePipeline(made, scopeOf(this), shared, true);
  });
  for (const name of NOT_OURS) {
    own(name, () => {
      throw new PoolError(`Pool "${shared.name}": ${name}() is not for the shared client: it has no connection of its own. Ask the pool.`, {
        code: 'ERR_POOL_NOT_SHARED', pool: shared.name,
      });
    });
  }
  own('connect', () => Promise.resolve()); // it is
  const ignored = (): void => undefined;
  Object.defineProperty(io, 'status', { get: () => shared.open ? 'ready' : 'end', set: ignored, configurable: true });
}

/** What is sent in one turn leaves in one write. */
function send(session: IoSession, command: IoCommand): Promise<unknown> {
  session.cork();
  return inside(session.client).sendCommand(command);
}

/** A pipeline is written whole, to whatever client it has when it is executed. It can be sent once: its promise is made with it. */
function sharePipeline(pipeline: IoPipeline, scope: Scope | undefined, shared: Shared, isMulti: boolean): IoPipeline {
  const { exec } = pipeline;
  pipeline.exec = (callback?: IoCallback): Promise<unknown> => {
    // In the middle of a pipeline: the EXEC of a MULTI, which is only added to it.
    if (!isMulti && pipeline._transactions > 0) return callback === undefined ? exec.call(pipeline) : exec.call(pipeline, callback);
    const queued = pipeline._queue.map(({ name, args }) => ({ name, args, from: 0 }));
    if (isMulti) queued.push({ name: 'exec', args: [], from: 0 }); // it is, in a moment
    const refused = shared.refusedAmong(queued, false);
    const done = refused !== undefined ? Promise.reject(refused) : shared.seated(scope, (session) => {
      pipeline.redis = inside(session.client);
      return exec.call(pipeline);
    });
    if (callback !== undefined) done.then((results) => callback(null, results), (error: unknown) => callback(error));
    return done;
  };
  return pipeline;
}

function scopeOf(client: IoClient): Scope | undefined {
  return (client as { readonly [SCOPE]?: Scope })[SCOPE];
}

export const ioredis: Driver = {
  objection(client) {
    const { status, options } = inside(client);
    if (status !== 'wait') return 'makes a client that connects by itself: give ioredis lazyConnect: true';
    return options.monitor === true ? 'makes a client that monitors, which no command can be sent on' : undefined;
  },
  session: (client, owner) => new IoSession(client, owner),
  share,
  within: (client, scope) => Object.create(client, { [SCOPE]: { value: scope } }) as RedisClient,
  call: (client, [name = '', ...args]) => inside(client).call(name, ...args),
  dismiss(client) {
    const io = inside(client);
    io.on('error', () => undefined);
    (Object.getPrototypeOf(io) as IoClient).disconnect.call(io); // it may be connecting
  },
};
