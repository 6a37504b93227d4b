// What the pool keeps with each connection: whether it is lost, and what its borrower did to it. Everything that a driver sends passes by
// here before it is written, whichever method of the client it came from: so a connection on which nothing was done that outlives a command
// goes back without a word, and everything else is known.

import type { EventEmitter } from 'node:events';
import { KeptListeners } from '../common/listeners.ts';
import { effectOf, type Effect } from './commands.ts';
import { ConnectionLostError } from './errors.ts';
import type { RedisClient } from './types.ts';

/** What sessions of one factory share. */
export interface SessionOwner {
  /** For errors. */
  pool: string;
  /** A write was refused because the server is a replica. */
  failover(session: Session): void;
  /** A session came to rest: it need not keep the process alive. */
  rests(session: Session): void;
}

/** Under this name a client carries its session; not enumerable, so that it is not in anybody's log. */
const KEY = Symbol('millpond.redis.session');

/** Errors that the server replied with. Drivers have classes for them, which a bundler may rename. */
const replies = new WeakSet();

/** These answers say that the server, or this connection to it, is of no use now. All others come from a server that is alive. */
const UNFIT = /^(?:LOADING|MASTERDOWN|NOAUTH)\b|max number of clients/;

/** Who uses a connection for commands of many. */
export interface CarrierOfMany {
  arrived(): void;
  /** Of a command that was not written: its reply by way of another connection. Undefined: it has been tried often enough. */
  sendElsewhere(command: object, send: (session: Session) => Promise<unknown>): Promise<unknown> | undefined;
}

export abstract class Session {
  readonly client: RedisClient;
  readonly owner: SessionOwner;
  lost = false;
  cause: unknown = undefined;
  /** Told once, when the connection is lost. */
  readonly lossListeners: Set<(cause: unknown) => void> = new Set();
  /** The pool's generation at its creation. */
  generation = -1;
  /** Told when it carries commands of many, which were looked at before; undefined: it does not. */
  carrier: CarrierOfMany | undefined = undefined;
  /** How often something has arrived. */
  arrivals = 0;
  /** Is it a reason for the process to go on? */
  private referenced = true;
  /** Lent to nobody, or lent and nothing sent since. */
  private resting = false;
  private cleaning = false;
  private readonly database: number;
  private soiled = false;
  private doomed = false;
  private blocked = false;
  private transaction = false;
  private watching = false;
  private elsewhere = false;
  private listeners: KeptListeners | undefined = undefined;
  private listenersChanged = false;
  private clientId: Promise<string | undefined> | undefined = undefined;

  constructor(client: RedisClient, owner: SessionOwner, database: number) {
    this.client = client;
    this.owner = owner;
    this.database = database;
    Object.defineProperty(client, KEY, { value: this });
  }

  // ------------------------------------------------------------------------------------------------------------- what drivers know

  /** Connects, and resolves when the server has answered. When the signal aborts it rejects at once and leaves nothing behind. */
  abstract connect(signal: AbortSignal): Promise<void>;
  /** Can it take a command, as far as is known without asking the server? */
  abstract get usable(): boolean;
  /** How many commands are queued or sent, and not answered. */
  abstract get pending(): number;
  abstract get subscribed(): boolean;
  abstract call(...words: string[]): Promise<unknown>;
  /** RESET, and everything that belongs to the beginning of a connection. */
  protected abstract begin(): Promise<void>;
  /** Closes the socket, and rejects what is in flight with {@link Session.lossError}. Idempotent. */
  abstract kill(): void;
  protected abstract setReference(on: boolean): void;

  // ---------------------------------------------------------------------------------------------------------------------- its state

  /** A command is about to be sent: notes what it does. */
  sends(name: unknown, args: readonly unknown[], from: number): Effect | undefined {
    this.wake();
    if (this.carrier !== undefined || this.cleaning) return undefined;
    const effect = effectOf(name, args, from);
    if (effect !== undefined) this.note(effect, args[from]);
    return effect;
  }

  note(effect: Effect, argument?: unknown): void {
    this.wake();
    if (this.cleaning) return;
    switch (effect) {
      case 'blocks': this.blocked = true; return;
      case 'selects':
        // Within MULTI it is not known whether it will take effect.
        if (this.transaction) this.soiled = true;
        else this.elsewhere = String(argument) !== String(this.database);
        return;
      case 'opens': this.transaction = true; return;
      case 'watches': this.watching = true; return;
      case 'unwatches': this.watching = false; return;
      case 'closes':
        this.transaction = false;
        this.watching = false;
        return;
      case 'subscribes':
      case 'soils': this.soiled = true; return;
      case 'dooms': this.doomed = true;
    }
  }

  /** A command with an effect has failed: what is known of the connection may not be true. */
  readonly doubt = (): void => {
    if (!this.cleaning) this.soiled = true;
  };

  /** Must it not be lent again? Asked when it comes back, and before it is lent. */
  get broken(): boolean {
    return this.lost || this.doomed || !this.usable || this.subscribed || (this.blocked && this.pending > 0);
  }

  /** Nothing is left to do when it comes back. */
  private get clean(): boolean {
    return !(this.soiled || this.transaction || this.watching || this.elsewhere || this.pending > 0);
  }

  /** It has come back, and can be lent again when this is over. At once, when its borrower did nothing that stays. */
  giveBack(): void | Promise<void> {
    this.carrier = undefined;
    if (this.listenersChanged) {
      this.listeners?.restore();
      this.listenersChanged = false;
    }
    if (!this.clean) return this.cleanUp();
    this.rest();
    return undefined;
  }

  private async cleanUp(): Promise<void> {
    this.cleaning = true;
    // What the borrower did not wait for is answered first: each reply belongs to its own command.
    if (this.pending > 0) await this.ping();
    if (this.soiled || this.transaction || this.watching || this.elsewhere) await this.begin();
    this.soiled = false;
    this.transaction = false;
    this.watching = false;
    this.elsewhere = false;
    this.cleaning = false;
    this.rest();
  }

  /** A round trip. Rejects when the server cannot serve, or does not answer as one. */
  async ping(): Promise<void> {
    try {
      await this.call('PING');
    } catch (error) {
      if (!isReply(error) || UNFIT.test((error as Error).message)) throw error;
    }
  }

  /** Its number at the server; undefined: it would not say. Asked once. */
  id(): Promise<string | undefined> {
    return this.clientId ??= this.call('CLIENT', 'ID').then(String, () => undefined);
  }

  lose(cause: unknown): void {
    if (this.lost) return;
    this.lost = true;
    this.cause = cause;
    this.kill();
    for (const listener of [...this.lossListeners]) listener(cause);
  }

  /** The server replied with an error. */
  replied(error: Error): void {
    replies.add(error);
    if (error.message.startsWith('READONLY')) this.owner.failover(this);
    else if (error.message.startsWith('NOAUTH')) this.doomed = true;
  }

  rest(): void {
    this.blocked = false;
    this.resting = true;
    if (this.referenced) this.owner.rests(this);
  }

  /** If it still rests, it is taken off the list of reasons for the process to go on. */
  unreference(): void {
    if (!this.resting || !this.referenced || this.lost) return;
    this.referenced = false;
    this.setReference(false);
  }

  /** Lent to carry commands of many. */
  carry(carrier: CarrierOfMany): void {
    this.carrier = carrier;
    this.wake();
  }

  /** The listeners that are there now stay; those that borrowers add go with them. */
  protected keepListeners(emitter: EventEmitter): void {
    const changed = (): void => {
      this.listenersChanged = true;
    };
    emitter.on('newListener', changed).on('removeListener', changed);
    this.listeners = new KeptListeners(emitter);
    this.listenersChanged = false;
  }

  /** Something has arrived, and the driver has dealt with it. */
  protected arrived(): void {
    this.arrivals++;
    this.carrier?.arrived();
  }

  /** For what is rejected because the connection is lost. */
  protected lossError(sent: boolean, cause: unknown): ConnectionLostError {
    return new ConnectionLostError(this.owner.pool, sent, this.cause ?? cause);
  }

  private wake(): void {
    this.resting = false;
    if (this.referenced) return;
    this.referenced = true;
    this.setReference(true);
  }
}

export function sessionOf(client: object): Session {
  return (client as { readonly [KEY]: Session })[KEY];
}

/** Is it an error that the server replied with? Then the connection is in order. */
function isReply(error: unknown): boolean {
  return typeof error === 'object' && error !== null && replies.has(error);
}
