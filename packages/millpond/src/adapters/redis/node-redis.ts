// node-redis. Its seam is the queue of commands that each client has: whatever is sent is put there, and is taken from there when the
// socket is written to, once per turn of the loop.
//
// A pooled client never reconnects: the first thing it hears of its connection's end makes it close for good, before it gets to its
// reconnect strategy.

import { PoolError } from '../../index.ts';
import { permanent } from './classify.ts';
import type { Effect } from './commands.ts';
import type { Driver, NodeClient, NodeCommandOptions, NodeQueue, NodeQueued, NodeUnsent } from './driver.ts';
import { Session, type SessionOwner } from './session.ts';
import { SCOPE, type Scope, type Shared } from './shared.ts';
import type { RedisClient } from './types.ts';

const inside = (client: RedisClient): NodeClient => client as unknown as NodeClient;

const SUBSCRIBING = ['subscribe', 'unsubscribe', 'extendPubSubChannelListeners', 'extendPubSubListeners'] as const;

class NodeSession extends Session {
  private readonly node: NodeClient;
  private readonly queue: NodeQueue;
  /** It connects, or is about to: there is no socket to be got at. */
  private connecting = true;

  constructor(client: RedisClient, owner: SessionOwner) {
    super(client, owner, inside(client).options?.database ?? 0);
    this.node = inside(client);
    this.queue = this.node._getQueue();
  }

  get usable(): boolean {
    return !this.lost && this.node.isReady;
  }

  get pending(): number {
    return this.queue.pendingCount;
  }

  get subscribed(): boolean {
    return this.node.isPubSubActive;
  }

  call(...words: string[]): Promise<unknown> {
    return this.node.sendCommand(words);
  }

  async begin(): Promise<void> {
    await this.node.reset();
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
      this.node.on('error', (error: unknown) => {
        if (this.ready) {
          this.lose(error);
          return;
        }
        // This attempt is over. Left alone, node-redis would make the next one, and so on for as long as the process lives; also when
        // nobody waits for it any more, because the signal has aborted.
        this.connecting = false;
        fail(error);
        this.kill();
      });
      this.node.on('end', () => this.lose(new Error('the connection was closed')));
      this.node.on('connect', () => {
        this.connecting = false;
        if (this.lost) this.kill();
      });
      const begun = async (): Promise<void> => {
        await this.node.connect();
        if (this.lost) return;
        if (!this.node.isReady) throw new Error('the connection was closed while it was being made');
        withoutDefaultTimeout(this.node);
        this.tap();
        await this.ping();
      };
      begun().then(() => {
        if (this.lost) return;
        signal.removeEventListener('abort', onAbort);
        this.ready = true;
        this.keepListeners(this.node);
        resolve();
      }, fail);
    });
  }

  private ready = false;

  kill(): void {
    // It is killed when the attempt has come to its end, good or bad.
    if (this.node.isOpen && this.connecting) return;
    try {
      this.node.destroy();
    } catch {
      // it says that it is closed, which it is to be
    }
  }

  protected setReference(on: boolean): void {
    if (on) this.node.ref();
    else this.node.unref();
  }

  /** A command that was not written. Of those that belong together others may have been. */
  private leave(command: NodeUnsent, error: unknown): void {
    if (command.chainId !== undefined) command.reject(this.lossError(true, error));
    else if (!this.sendAgain(command)) command.reject(this.lossError(false, error));
  }

  private sendAgain({ args, typeMapping, resolve, reject }: NodeUnsent): boolean {
    const reply = this.carrier?.sendElsewhere(args, (session) => inside(session.client).sendCommand(args, { typeMapping }));
    reply?.then(resolve, reject);
    return reply !== undefined;
  }

  /** Lets everything that is sent pass by. */
  private tap(): void {
    const { queue } = this;
    const { addCommand, flushAll, monitor, reset } = queue;
    queue.addCommand = (args, options) => {
      const effect = this.sends(args[0], args, 1);
      const reply = addCommand.call(queue, args, options);
      if (effect !== undefined) reply.catch(this.doubt);
      return reply;
    };
    // All that the client has, when its connection has ended: what was not written yet may go another way.
    queue.flushAll = (error) => {
      const unsent = queue.extractAllCommands();
      flushAll.call(queue, this.lossError(true, error));
      for (const command of unsent) this.leave(command, error);
    };
    for (const name of SUBSCRIBING) {
      const method = queue[name];
      queue[name] = (...args) => {
        this.note('subscribes');
        return method.apply(queue, args);
      };
    }
    queue.monitor = (...args) => {
      this.note('dooms');
      return monitor.apply(queue, args);
    };
    queue.reset = (...args) => {
      this.note('soils');
      const reply = reset.apply(queue, args);
      // node-redis looks at it when it has the credentials for what is sent behind it. The connection may have died by then.
      reply.catch(this.doubt);
      return reply;
    };
    const { decoder } = queue;
    const { onErrorReply, write } = decoder;
    decoder.write = (chunk) => {
      write.call(decoder, chunk);
      this.arrived();
    };
    decoder.onErrorReply = (error) => {
      this.replied(error);
      onErrorReply.call(decoder, error);
    };
  }
}

/**
 * From 6 on each command has five seconds to be written, by an AbortSignal of its own that costs more than the command. Commands here are
 * written in the turn in which they are made; whoever set a timeout keeps it.
 */
function withoutDefaultTimeout({ _self, options }: NodeClient): void {
  if (options?.commandOptions?.timeout === undefined && _self._commandOptions !== undefined) {
    _self._commandOptions = { ..._self._commandOptions, timeout: undefined };
  }
}

// -------------------------------------------------------------------------------------------------------------- the shared client

/** What would change the connection, or end it, past the commands. */
const NOT_SHARED: Readonly<Record<string, Effect>> = {
  subscribe: 'subscribes', unsubscribe: 'subscribes', pSubscribe: 'subscribes', pUnsubscribe: 'subscribes', sSubscribe: 'subscribes',
  sUnsubscribe: 'subscribes', monitor: 'dooms', reset: 'soils', watch: 'watches', unwatch: 'unwatches', select: 'selects', quit: 'dooms',
};
const NOT_OURS = ['close', 'destroy', 'disconnect', 'duplicate', 'createPool', 'legacy'];

function share(client: RedisClient, shared: Shared): void {
  const self = inside(client)._self;
  withoutDefaultTimeout(self);
  const own = (name: string, value: unknown): void => {
    Object.defineProperty(self, name, { value, configurable: true });
  };
  self.on('error', () => undefined); // it has no connection that could fail
  const usual = self._commandOptions;
  own('sendCommand', function sendCommand(this: NodeClient, args: readonly unknown[], given?: NodeCommandOptions): Promise<unknown> {
    const refused = shared.refusedFor(args[0], args, 1);
    if (refused !== undefined) return Promise.reject(refused);
    const view = this._commandOptions;
    const options = given === undefined || given === view ? view : { ...view, ...given };
    const scope = options === undefined ? undefined : options[SCOPE] as Scope | undefined;
    if (scope !== undefined) shared.scopes.set(args, scope);
    const session = shared.seat(scope);
    if (session === undefined) return shared.seated(scope, (late) => inside(late.client).sendCommand(args, options));
    // What no view has changed the pooled client has of itself.
    return inside(session.client).sendCommand(args, options === usual ? undefined : options);
  });
  // Both are bound to the view that they are called on.
  for (const name of ['_executeMulti', '_executePipeline'] as const) {
    own(name, function execute(this: NodeClient, commands: readonly NodeQueued[]): Promise<unknown> {
      const listed = commands.map(({ args }) => ({ name: args[0], args, from: 1 }));
      const refused = shared.refusedAmong(listed, name === '_executeMulti');
      if (refused !== undefined) return Promise.reject(refused);
      const options = this._commandOptions ?? {};
      return shared.seated(options[SCOPE] as Scope | undefined,
        (session) => inside(session.client).withCommandOptions(options)[name](commands));
    });
  }
  for (const [name, effect] of Object.entries(NOT_SHARED)) {
    const refuse = (): Promise<never> => Promise.reject(shared.refusal(name.toUpperCase(), effect));
    own(name, refuse);
    own(name.toUpperCase(), refuse);
  }
  for (const name of NOT_OURS) {
    own(name, () => {
      throw new PoolError(`Pool "${shared.name}": ${name}() is not for the shared client: it has no connection of its own. Ask the pool.`, {
        code: 'ERR_POOL_NOT_SHARED', pool: shared.name,
      });
    });
  }
  own('connect', () => Promise.resolve(client)); // it is
  for (const name of ['isOpen', 'isReady']) Object.defineProperty(self, name, { get: () => shared.open, configurable: true });
}

export const nodeRedis: Driver = {
  objection(client) {
    const node = inside(client);
    if (typeof node._getQueue !== 'function' || typeof node._getQueue().pendingCount !== 'number') {
      return 'makes a client of node-redis that is too old: 5.12 or newer is needed';
    }
    if (node.isOpen) return 'makes a client that is connected: the pool connects it';
    if (node.clientSideCache !== undefined || node.options?.emitInvalidate) {
      return 'makes a client that caches (clientSideCache, emitInvalidate), which needs one connection for itself';
    }
    return undefined;
  },
  session(client, owner) {
    const { isOpen } = inside(client);
    if (isOpen) throw permanent(new Error('the client is connected already: the pool connects it'));
    return new NodeSession(client, owner);
  },
  share,
  within: (client, scope) => inside(client).withCommandOptions({ [SCOPE]: scope }),
  call: (client, words) => inside(client).sendCommand(words),
  dismiss(client) {
    const { destroy } = Object.getPrototypeOf(inside(client)._self) as NodeClient;
    try {
      destroy.call(client);
    } catch {
      // it was never open
    }
  },
};
