// Clients of node-postgres as resources of the engine: how one is opened, closed, and told to be lost. Everything that pg-pool says while
// that happens (events, log) is said here.

import type { DestroyReason, Factory } from 'millpond';
import { classify } from 'millpond/pg';
import { cut, isDead } from './driver.ts';
import { connectTimeoutError } from './errors.ts';
import { Member } from './member.ts';
import type { Settings } from './options.ts';
import { cleanSession, ping } from './session.ts';
import type { DriverClient } from './driver.ts';
import type { ResolvedConfig } from './types.ts';

/** The pool, as far as the factory needs it. */
export interface Host {
  readonly options: ResolvedConfig<never>;
  readonly settings: Settings;
  readonly members: Set<Member>;
  /** How many connects have begun. */
  readonly begun: { count: number };
  newClient(): DriverClient;
  log(...words: unknown[]): void;
  tell(event: 'connect' | 'remove', client: DriverClient): void;
  tell(event: 'error', error: unknown, client: DriverClient): void;
  /** Runs it in the async context of whoever is asking at this moment: spans of a connect belong to the request that needs it. */
  forAsker<R>(run: () => R): R;
}

/** What pg-pool writes to its log when it lets a client go. */
const PARTING_WORDS: Partial<Record<DestroyReason, string>> = {
  maxUses: 'remove expended client', maxLifetime: 'remove expired client', idleTimeout: 'remove idle client',
};

/** These do not answer: to wait for them while they close would be in vain. */
const SILENT: ReadonlySet<DestroyReason> = new Set(['invalid', 'stale']);

/** A connection whose `onConnect` failed may take this long to close. */
const FAREWELL_MS = 5_000;
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

export function factoryOf(host: Host): Factory<Member> {
  const { settings } = host;
  const { reset } = settings;
  const common: Factory<Member> = {
    create: ({ signal }) => host.forAsker(() => open(host, signal)),

    async destroy(member, { reason, signal }) {
      host.members.delete(member);
      member.gone = true;
      const words = PARTING_WORDS[reason];
      if (words !== undefined) host.log(words);
      const closed = close(member.client, signal);
      if (SILENT.has(reason)) cut(member.client);
      await closed;
      host.tell('remove', member.client);
    },

    isBroken: (member) => isDead(member.client),

    onLost(member, listener) {
      member.lost = listener;
      return () => {
        member.lost = () => {};
      };
    },
  };
  if (reset === undefined) return common;
  return { ...common, classify, validate: ({ client }) => ping(client), reset: ({ client }) => cleanSession(client, reset) };
}

/** Connects; leaves nothing behind when it is not wanted any more. */
function open(host: Host, signal: AbortSignal): Promise<Member> {
  const { connectTimeoutMs } = host.settings;
  let opening: Opening | undefined;
  // Before the client is made, which may take a while: whoever waits for it has the same deadline, and is to hear of the connect.
  const timer = connectTimeoutMs === undefined ? undefined
    : setTimeout(() => opening?.onTimeout(), Math.min(connectTimeoutMs, LONGEST_TIMEOUT_MS));
  try {
    const member = newMember(host);
    return new Promise<Member>((resolve, reject) => {
      opening = new Opening(host, member, signal, timer, resolve, reject);
      opening.start();
    });
  } catch (error) {
    clearTimeout(timer);
    throw error;
  }
}

function newMember(host: Host): Member {
  const client = host.newClient();
  const member = new Member(client, host.options.verify !== undefined);
  // Before it connects and for good: an 'error' that nobody listens to would end the process.
  client.on('error', (error: unknown) => onError(host, member, error));
  client.on('end', () => member.lost(new Error('Connection terminated')));
  if (!(Symbol.dispose in client)) {
    const value = (): void => { (client.release as (() => void) | undefined)?.(); };
    Object.defineProperty(client, Symbol.dispose, { configurable: true, writable: true, value });
  }
  host.members.add(member);
  return member;
}

/** Which connect it was, counted from 1, that failed with this. */
const failures = new WeakMap<object, number>();

/** Whether an error is that of one of the first connects. */
export function isOfFirst(error: unknown, count: number): boolean {
  return typeof error === 'object' && error !== null && (failures.get(error) ?? Infinity) <= count;
}

/** One connect: by whichever comes first it is a member, or failed, or given up. What comes after that is cleared away. */
class Opening {
  private over = false;
  private readonly number: number;
  private readonly host: Host;
  private readonly member: Member;
  private readonly signal: AbortSignal;
  private readonly timer: NodeJS.Timeout | undefined;
  private readonly resolve: (member: Member) => void;
  private readonly reject: (error: unknown) => void;

  constructor(
    host: Host, member: Member, signal: AbortSignal, timer: NodeJS.Timeout | undefined,
    resolve: (member: Member) => void, reject: (error: unknown) => void,
  ) {
    this.host = host;
    this.number = ++host.begun.count;
    this.member = member;
    this.signal = signal;
    this.timer = timer;
    this.resolve = resolve;
    this.reject = reject;
  }

  start(): void {
    const { client } = this.member;
    this.signal.addEventListener('abort', () => this.giveUp(this.signal.reason), { once: true });
    this.host.log('connecting new client');
    try {
      client.connect((error) => this.onConnected(error));
    } catch (error) {
      this.fail(error);
    }
  }

  private onConnected(error: unknown): void {
    clearTimeout(this.timer);
    if (this.over) {
      // It came after all: at the server it would be one that nobody knows of.
      if (!error) void close(this.member.client);
      return;
    }
    if (error) {
      this.host.log('client failed to connect', error);
      this.fail(error);
      return;
    }
    this.host.log('new client connected');
    const { onConnect } = this.host.options;
    if (onConnect === undefined) this.succeed();
    else this.prepare(onConnect);
  }

  /** The caller's own hook, on a client that is nobody's yet. */
  private prepare(onConnect: NonNullable<ResolvedConfig['onConnect']>): void {
    const { client } = this.member;
    const failed = async (error: unknown): Promise<void> => {
      if (this.over) return;
      this.over = true;
      // It still counts at the server until it is closed.
      await close(client);
      this.host.members.delete(this.member);
      this.reject(error);
    };
    void new Promise<void>((resolve) => { resolve(onConnect(client)); }).then(() => this.succeed(), failed);
  }

  private succeed(): void {
    if (this.over) return;
    this.over = true;
    this.member.connected = true;
    // Whoever it was opened for may have gone; idle it must not be a reason to go on.
    if (this.host.options.allowExitOnIdle) this.member.client.unref?.();
    this.host.tell('connect', this.member.client);
    this.resolve(this.member);
  }

  private fail(error: unknown): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.timer);
    this.host.members.delete(this.member);
    if (typeof error === 'object' && error !== null) failures.set(error, this.number);
    this.reject(error);
  }

  onTimeout(): void {
    const { client } = this.member;
    // The native client cannot be cut; one that is connected, and has only not said so yet, is let be.
    if (client.connection === undefined && client.isConnected?.() === true) return;
    this.host.log('ending client due to timeout');
    this.giveUp(connectTimeoutError(undefined));
  }

  private giveUp(error: unknown): void {
    if (this.over) return;
    this.fail(error);
    const { client } = this.member;
    if (client.connection?.stream === undefined) void close(client);
    else cut(client);
  }
}

/** Resolves when the client says that it is closed, or when `signal` says that this was waited for long enough. */
function close(client: DriverClient, signal: AbortSignal = AbortSignal.timeout(FAREWELL_MS)): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => resolve();
    signal.addEventListener('abort', () => {
      cut(client);
      over();
    }, { once: true });
    try {
      const ended = client.end(over);
      if (ended instanceof Promise) ended.then(over, over);
    } catch {
      over(); // whatever it was, it is no client any more
    }
  });
}

/** An idle client that fails is the pool's trouble. One that is lent is its borrower's, who hears of it by the next statement. */
function onError(host: Host, member: Member, error: unknown): void {
  const { client } = member;
  if (!member.connected) return; // the connect tells
  if (member.gone) {
    host.log('additional client error after disconnection due to error', error);
  } else if (member.isLent) {
    host.log('client failed while lent', error);
    if (isDead(client)) member.lost(error);
  } else {
    if (typeof error === 'object' && error !== null) Reflect.set(error, 'client', client);
    member.lost(error);
    host.tell('error', error, client);
  }
}
