// A fleet's coordinator on Redis (5 or newer) or Valkey: one script, sent by its digest. The client is the caller's: node-redis
// (`createClient`, `createCluster`, `createClientPool`) or ioredis (`new Redis()`, `new Redis.Cluster()`), connected or about to be.
//
// What is not sent at once is not sent at all: a heartbeat that waited in a client's queue through an outage would tell of a state that is
// long over. So a client that is not connected is as good as one that fails.

import { createHash } from 'node:crypto';
import type { Coordinator, FleetView, Heartbeat, MemberView, Reply } from '../protocol.ts';
import { flatTerms, termsFrom, whileAwaited, type CoordinatorClock } from './common.ts';
import { HEARTBEAT, VIEW } from './redis-script.ts';

/** A client of node-redis (5 or newer) or of ioredis (5), or a cluster of either. */
export interface RedisFleetClient {
  on(event: 'error', listener: (error: Error) => void): unknown;
}

export interface RedisCoordinatorOptions {
  /** Of the budget: one for each database, say. No braces. */
  readonly key: string;
  /** What keys begin with. Default `millpond`: `millpond:{key}:fleet` and `millpond:{key}:heard`. */
  readonly prefix?: string;
}

/** Throws a TypeError for a client that is neither of the two, or a key that cannot be one. */
export function redisCoordinator(client: RedisFleetClient, options: RedisCoordinatorOptions): Coordinator {
  return new RedisCoordinator(client, options);
}

interface Script {
  readonly text: string;
  readonly digest: string;
}

const script = (text: string): Script => ({ text, digest: createHash('sha1').update(text).digest('hex') });
const heartbeatScript = script(HEARTBEAT);
const viewScript = script(VIEW);

/** How many members are read at once: the server does nothing else meanwhile. */
const PAGE = 500;

/** @internal */
export class RedisCoordinator implements Coordinator {
  readonly #call: Call;
  readonly #keys: readonly [string, string];
  readonly #clock: CoordinatorClock | undefined;

  constructor(client: RedisFleetClient, { key, prefix = 'millpond' }: RedisCoordinatorOptions, clock?: CoordinatorClock) {
    if (typeof key !== 'string' || !/^[^{}]+$/.test(key)) throw new TypeError('key must be a text without braces');
    this.#call = callerOf(client);
    // The braces put both in one slot of a cluster.
    this.#keys = [`${prefix}:{${key}}:fleet`, `${prefix}:{${key}}:heard`];
    this.#clock = clock;
  }

  async heartbeat(request: Heartbeat, signal?: AbortSignal): Promise<Reply> {
    const { member, name, identity, seq, held, has, base, demand, weight, leaving, lends, lendsUntil, shortMs } = request;
    const numbers = [seq, held, has, base, demand, weight, Number(leaving), lends, lendsUntil, shortMs];
    const words = [member, name, identity, flatTerms(request.terms).join(' '), ...numbers.map(String)];
    return replyFrom(await this.#run(heartbeatScript, words, signal) as readonly unknown[]);
  }

  async view(signal?: AbortSignal): Promise<FleetView> {
    const members = new Map<string, MemberView>();
    for (let from = 0; ; from += PAGE) {
      const [head, ...rest] = splitView(await this.#run(viewScript, [String(from), String(PAGE)], signal) as readonly unknown[]);
      for (const each of rest) members.set(each.member, each);
      if (rest.length < PAGE) return { ...head, members: [...members.values()] };
    }
  }

  async #run({ text, digest }: Script, args: readonly string[], signal: AbortSignal | undefined): Promise<unknown> {
    const now = this.#clock === undefined ? '' : String(this.#clock.now());
    const rest = ['2', ...this.#keys, now, this.#clock?.identity() ?? '', ...args];
    try {
      return await this.#call(this.#keys[0], ['EVALSHA', digest, ...rest], signal);
    } catch (error) {
      // A server that is new, or whose scripts were flushed.
      if (!String(error).includes('NOSCRIPT')) throw error;
      signal?.throwIfAborted();
      return this.#call(this.#keys[0], ['EVAL', text, ...rest], signal);
    }
  }
}

function replyFrom(reply: readonly unknown[]): Reply {
  const [kind, ...rest] = reply;
  if (String(kind) === 'overtaken') return { kind: 'overtaken' };
  if (String(kind) === 'refused') {
    const [reason, now, identity, terms] = rest;
    return {
      kind: 'refused', reason: String(reason) as 'terms' | 'full', terms: termsFrom(String(terms).split(' ')), now: Number(now),
      identity: String(identity),
    };
  }
  const [permit, now, identity, learning, reserved, unmet, members] = rest;
  return {
    kind: 'granted', permit: Number(permit), now: Number(now), identity: String(identity), learning: Number(learning) === 1,
    reserved: Number(reserved), unmet: Number(unmet), members: Number(members),
  };
}

function splitView(reply: readonly unknown[]): [Omit<FleetView, 'members'>, ...MemberView[]] {
  if (reply.length === 0) return [{ terms: undefined, identity: '', learningMs: 0, reserved: 0 }];
  const [identity, learningMs, reserved, terms, ...members] = reply;
  const view = {
    terms: termsFrom(String(terms).split(' ')), identity: String(identity), learningMs: Number(learningMs), reserved: Number(reserved),
  };
  return [view, ...members.map((each) => memberFrom(each as readonly unknown[]))];
}

function memberFrom([member, name, ...numbers]: readonly unknown[]): MemberView {
  const [held, permit, reserved, base, demand, weight, lends, leaving, shortMs, silentMs] = numbers.map(Number) as Numbers<10>;
  return {
    member: String(member), name: String(name), held, permit, reserved, base, demand, weight, lends, leaving: leaving === 1, shortMs,
    silentMs,
  };
}

type Numbers<N extends number, All extends number[] = []> = All['length'] extends N ? All : Numbers<N, [...All, number]>;

// ------------------------------------------------------------------------------------------------------- the clients, by structure

/** Sends a command, at once or not at all. `key`: which node of a cluster has it. */
type Call = (key: string, words: readonly string[], signal: AbortSignal | undefined) => Promise<unknown>;

interface NodeClient {
  readonly isOpen: boolean;
  readonly isReady?: boolean;
  sendCommand(words: readonly string[], options: object): Promise<unknown>;
}

interface NodeCluster {
  readonly isOpen: boolean;
  sendCommand(key: string, readOnly: boolean, words: readonly string[], options: object): Promise<unknown>;
}

interface IoClient {
  readonly status: string;
  connect(): Promise<unknown>;
  call(name: string, ...args: string[]): Promise<unknown>;
}

function callerOf(client: unknown): Call {
  if (typeof client === 'object' && client !== null) {
    if ('status' in client && 'call' in client) return ioCaller(client as unknown as IoClient);
    if ('slots' in client && 'sendCommand' in client) return clusterCaller(client as unknown as NodeCluster);
    if ('isOpen' in client && 'sendCommand' in client) return nodeCaller(client as unknown as NodeClient);
  }
  throw new TypeError('the client must be one of node-redis (createClient(), createCluster()) or of ioredis (new Redis())');
}

/** The caller's client may be told to answer with buffers, or with text for numbers. */
const plain = (signal: AbortSignal | undefined): object => ({ typeMapping: {}, ...(signal === undefined ? {} : { abortSignal: signal }) });

// node-redis takes a command back that is not written yet when the signal aborts.
function nodeCaller(client: NodeClient): Call {
  return async (_key, words, signal) => {
    signal?.throwIfAborted();
    if (!client.isOpen || client.isReady === false) throw notConnected();
    return whileAwaited(client.sendCommand(words, plain(signal)), signal);
  };
}

function clusterCaller(cluster: NodeCluster): Call {
  return async (key, words, signal) => {
    signal?.throwIfAborted();
    if (!cluster.isOpen) throw notConnected();
    return whileAwaited(cluster.sendCommand(key, false, words, plain(signal)), signal);
  };
}

function ioCaller(client: IoClient): Call {
  return async (_key, [name = '', ...args], signal) => {
    if (client.status === 'wait') await client.connect(); // it was made with lazyConnect, and nobody else has used it
    signal?.throwIfAborted();
    if (client.status !== 'ready') throw notConnected();
    return whileAwaited(client.call(name, ...args), signal);
  };
}

function notConnected(): Error {
  return new Error('the Redis client of the fleet is not connected');
}
