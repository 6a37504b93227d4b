// The messages that the pages of the errors show, produced by running the code: each scene brings a pool into the trouble that its page is
// about. Time is virtual, so the numbers in them are the same each time.

import { createClient } from '@redis/client';
import { Pool, type PoolOptions } from 'millpond';
import { fleetBudget, type Coordinator, type MemberView } from 'millpond/fleet';
import * as http from 'millpond/http';
import { ConnectionLostError, QueryTimeoutError, ResetFailedError, TransactionFailedError } from 'millpond/pg';
import { CommandTimeoutError, ConnectionLostError as RedisConnectionLostError, createRedisPool } from 'millpond/redis';
import * as tcp from 'millpond/tcp';
import { PLAIN_OPTIONS, ScriptedFactory, VirtualClock, type ScriptedResource } from 'millpond/testing';
import { NotSentError } from '../../packages/millpond/src/adapters/http/client.ts';

type Options = Partial<PoolOptions<ScriptedResource>>;

const REFUSED = new Error('connect ECONNREFUSED 10.0.0.7:5432');
const WRONG_PASSWORD = new Error('password authentication failed for user "app"');

/** A pool called orders that does nothing by itself, and what its users get. */
class Stage {
  readonly clock = new VirtualClock();
  readonly factory: ScriptedFactory;
  readonly pool: Pool<ScriptedResource>;
  readonly reasons: unknown[] = [];

  constructor(options: Options = {}, classify?: (error: unknown) => 'transient' | 'permanent', failing?: unknown) {
    this.factory = new ScriptedFactory({ clock: this.clock, reset: true, ...(classify === undefined ? {} : { classify }) });
    if (failing !== undefined) this.factory.script.create.behaviour = { rejects: failing };
    this.pool = new Pool({ ...PLAIN_OPTIONS, name: 'orders', max: 2, clock: this.clock, factory: this.factory, ...options });
    this.pool.on('destroy', ({ error }) => this.reasons.push(error));
  }

  /** The message of an acquire that fails within `ms`. */
  async refusal(label: string | undefined, ms = 0): Promise<string> {
    return this.failure(this.pool.acquire(label === undefined ? {} : { label }), ms);
  }

  async failure(promise: Promise<unknown>, ms = 0): Promise<string> {
    const outcome = promise.then(() => 'it did not fail', messageOf);
    await this.clock.advance(ms);
    return outcome;
  }

  async exhausted(): Promise<this> {
    await this.pool.acquire({ label: 'GET /report' });
    await this.pool.acquire({ label: 'nightly export' });
    return this;
  }
}

function messageOf(error: unknown): string {
  return (error as Error).message;
}

function thrown(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return messageOf(error);
  }
  return 'it did not throw';
}

/** In a fleet in which others have nearly all. */
async function starved(): Promise<string> {
  const clock = new VirtualClock();
  const other = (name: string, reserved: number, shortMs: number): MemberView => ({
    member: name, name, held: reserved, permit: reserved, reserved, base: reserved, demand: reserved, weight: 1, lends: 0, leaving: false,
    shortMs, silentMs: 100,
  });
  const coordinator: Coordinator = {
    heartbeat: async () => ({
      kind: 'granted', permit: 1, now: 1, identity: 'run 1', learning: false, reserved: 19, unmet: 4, members: 3,
    }),
    view: async () => ({
      terms: undefined, identity: 'run 1', learningMs: 0, reserved: 19, members: [other('orders-7', 12, 1_200), other('search-2', 6, 0)],
    }),
  };
  const budget = fleetBudget(coordinator, { limit: 22, guard: 2, clock, random: () => 0 });
  const pool = new Pool({ ...PLAIN_OPTIONS, name: 'mail', max: 10, clock, factory: new ScriptedFactory({ clock }), budget });
  await Promise.all([pool.acquire({ label: 'digest' }), clock.advance(100)]);
  const message = pool.acquire({ timeoutMs: 2_000 }).then(() => 'it did not fail', messageOf);
  await clock.advance(2_000);
  return message;
}

const SCENES: Readonly<Record<string, () => Promise<string[]> | string[]>> = {
  async ERR_POOL_ACQUIRE_TIMEOUT() {
    const held = await new Stage().exhausted();
    await held.clock.advance(700);
    const down = new Stage({ createRetry: {} }, undefined, REFUSED);
    const notReady = new Stage({ min: 2, createRetry: {} }, undefined, new Error('no route'));
    const ready = await notReady.failure(notReady.pool.ready(), 1000);
    return [await held.refusal('POST /orders', 1000), await down.refusal(undefined, 1000), await starved(), ready];
  },
  async ERR_POOL_QUEUE_FULL() {
    const stage = await new Stage({ maxWaiting: 0 }).exhausted();
    return [await stage.refusal('POST /orders')];
  },
  async ERR_POOL_OVERLOADED() {
    const stage = new Stage({ max: 1, shedding: true });
    for (let i = 0; i < 20; i++) {
      const lease = await stage.pool.acquire();
      await stage.clock.advance(100);
      lease.release();
    }
    await stage.pool.acquire();
    const waiting = Array.from({ length: 8 }, () => stage.failure(stage.pool.acquire()));
    const message = await stage.refusal('GET /search');
    void stage.pool.close();
    await Promise.all(waiting);
    return [message];
  },
  async ERR_POOL_PAUSED() {
    const stage = new Stage();
    stage.pool.pause({ reject: true });
    return [await stage.refusal('POST /orders')];
  },
  async ERR_POOL_UNAVAILABLE() {
    const stage = new Stage({ createRetry: {}, breaker: { failures: 1, probeIntervalMs: 1000 } }, undefined, REFUSED);
    return [await stage.refusal('POST /orders')];
  },
  async ERR_POOL_CLOSED() {
    const stage = await new Stage().exhausted();
    const closing = stage.pool.close({ deadlineMs: 100 });
    const draining = await stage.refusal('POST /orders', 100);
    await closing;
    return [draining, await stage.failure(stage.pool.ready())];
  },
  async ERR_POOL_CREATE_FAILED() {
    const refused = new Stage({}, undefined, REFUSED);
    const denied = new Stage({}, () => 'permanent', WRONG_PASSWORD);
    const told = [await refused.refusal('POST /orders'), await denied.refusal('POST /orders')];
    const notReady = new Stage({ min: 2 }, undefined, new Error('no route'));
    return [...told, await notReady.failure(notReady.pool.ready())];
  },
  async ERR_POOL_CREATE_TIMEOUT() {
    const stage = new Stage({ createTimeoutMs: 500 });
    stage.factory.script.create.behaviour = 'manual';
    const message = await stage.refusal('POST /orders', 500);
    return [message, messageOf(stage.factory.script.create.calls[0]!.context.signal.reason)];
  },
  async ERR_POOL_NESTED_ACQUIRE() {
    const stage = new Stage({ nested: 'error' });
    const message = await stage.failure(stage.pool.use(() => stage.pool.acquire(), { label: 'GET /orders' }));
    return [message.split(' here:')[0]!];
  },
  async ERR_POOL_LEASE_ENDED() {
    const lease = await new Stage().pool.acquire({ label: 'GET /orders' });
    lease.release();
    return [thrown(() => lease.resource), thrown(() => lease.detach())];
  },
  async ERR_POOL_INVALID_OPTION() {
    const wrong: object[] = [{ maxWaitng: 3 }, { min: 5 }, { acquireTimeoutMs: Number.NaN }];
    const lane = await new Stage().failure(new Stage().pool.acquire({ lane: 'batch' }));
    return [...wrong.map((options) => thrown(() => new Stage(options))), lane];
  },
  async ERR_POOL_VALIDATE_TIMEOUT() {
    const stage = new Stage({ validateAfterIdleMs: 0, validateTimeoutMs: 250 });
    (await stage.pool.acquire()).release();
    stage.factory.script.validate.behaviour = 'manual';
    await stage.clock.advance(1);
    const late = stage.pool.acquire();
    await stage.clock.advance(250);
    await late;
    return stage.reasons.map(messageOf);
  },
  async ERR_POOL_RESET_TIMEOUT() {
    const stage = new Stage({ resetTimeoutMs: 100 });
    stage.factory.script.reset.behaviour = 'manual';
    (await stage.pool.acquire()).release();
    await stage.clock.advance(100);
    return stage.reasons.map(messageOf);
  },
  async ERR_POOL_DESTROY_TIMEOUT() {
    const stage = new Stage({ destroyTimeoutMs: 200 });
    stage.factory.script.destroy.behaviour = 'manual';
    (await stage.pool.acquire()).destroy();
    await stage.clock.advance(200);
    return stage.reasons.map(messageOf);
  },
  async ERR_POOL_ABANDONED() {
    const stage = new Stage();
    stage.factory.script.create.behaviour = 'manual';
    const waiting = stage.failure(stage.pool.acquire());
    void stage.pool.close();
    await waiting;
    return [messageOf(stage.factory.script.create.calls[0]!.context.signal.reason)];
  },
  ERR_POOL_QUERY_TIMEOUT: () => ['pg_stat_activity, pg_locks', 'SHOW FULL PROCESSLIST, information_schema.INNODB_TRX']
    .map((lookAt) => new QueryTimeoutError('the statement', 500, 'orders', lookAt).message),
  ERR_POOL_CONNECTION_LOST: () => [
    new ConnectionLostError('orders', true, new Error('Connection terminated unexpectedly')).message,
    new ConnectionLostError('orders', false, new Error('read ECONNRESET')).message,
    new tcp.ConnectionLostError('orders', true, new Error('read ECONNRESET')).message,
    new tcp.ConnectionLostError('orders', false, new Error('the other end closed the connection')).message,
    new RedisConnectionLostError('cache', true, new Error('Socket closed unexpectedly')).message,
    new RedisConnectionLostError('cache', false, new Error('read ECONNRESET')).message,
    new NotSentError('http/https://api.internal', new Error('other side closed')).message,
  ],
  ERR_POOL_EXCHANGE_TIMEOUT: () => [new tcp.ExchangeTimeoutError('orders', 500).message],
  ERR_POOL_UNEXPECTED_DATA: () => [new tcp.UnexpectedDataError('orders', 19).message],
  ERR_POOL_ALPN_MISMATCH: () => [new tcp.AlpnMismatchError('orders', ['line/2', 'line/1']).message],
  ERR_POOL_SESSION_LOST: () => [new http.SessionLostError('greeter', 'the peer gave no sign of life within 5000 ms').message],
  ERR_POOL_CALL_TIMEOUT: () => [new http.CallTimeoutError('greeter', 500).message],
  ERR_POOL_RESPONSE_TOO_LARGE: () => [new http.ResponseTooLargeError('greeter', 16 * 1024 * 1024).message],
  ERR_POOL_COMMAND_TIMEOUT: () => [new CommandTimeoutError(200, 'cache').message],
  async ERR_POOL_NOT_SHARED() {
    const { shared } = createRedisPool({ name: 'cache', client: () => createClient() });
    const refused = [shared.select(1), shared.blPop('jobs', 0)];
    return Promise.all(refused.map((each) => each.then(() => 'it was sent', messageOf)));
  },
  ERR_POOL_RESET_FAILED: () => [new ResetFailedError('orders', new Error('canceling statement due to statement timeout')).message],
  ERR_POOL_TRANSACTION_FAILED: () => [new TransactionFailedError('orders').message],
};

/** By code. `ERR_POOL_DRIVER_MISSING` is left out: the driver is here. */
export async function realMessages(): Promise<Map<string, readonly string[]>> {
  const messages = new Map<string, readonly string[]>();
  for (const [code, play] of Object.entries(SCENES)) messages.set(code, await play());
  return messages;
}

/** The messages that a page shows, each as one line. */
export function shownMessages(page: string): string[] {
  return [...page.matchAll(/^```text\n(.*?)^```$/gms)].map((match) => oneLine(match[1]!));
}

export function oneLine(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ');
}
