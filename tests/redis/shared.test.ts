// Commands of many callers on connections that they share.

import * as redis6 from '@redis/client';
import { Redis } from 'ioredis';
import { AcquireTimeoutError, PoolClosedError, QueueFullError } from 'millpond';
import {
  CommandTimeoutError, ConnectionLostError, createRedisPool, NotSharedError, type RedisClient, type RedisPool,
} from 'millpond/redis';
import { VirtualClock } from 'millpond/testing';
import type { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { TcpProxy } from '../support/proxy.ts';
import { onRedis, onRedisWithEach, until } from '../support/redis.ts';

onRedisWithEach('shared connections', (stage, driver) => {
  const name = `shared-${driver.name.replace(' ', '-')}`;
  const poolOf = (options: object = {}, port = stage.server.port): RedisPool<RedisClient> =>
    createRedisPool({ client: () => driver.client({ port, name }), max: 4, ...options });
  const call = driver.call.bind(driver);

  it('carry the commands of a thousand callers, each with its own reply, over a handful of connections', async () => {
    await using pool = poolOf();
    const replies = await Promise.all(Array.from({ length: 1_000 }, (_, i) => call(pool.shared, 'ECHO', `caller ${i}`)));
    expect(replies).toEqual(Array.from({ length: 1_000 }, (_, i) => `caller ${i}`));
    expect(await stage.observer.count(name)).toBeLessThanOrEqual(4);
    expect(pool.stats().totals.created).toBeLessThanOrEqual(4);
    await until('all places free', () => pool.sharedStats(), ({ borrowed, waiting }) => borrowed === 0 && waiting === 0);
  });

  it('one connection is enough while it has places left', async () => {
    await using pool = poolOf();
    for (let i = 0; i < 20; i++) await call(pool.shared, 'PING');
    await Promise.all(Array.from({ length: 500 }, () => call(pool.shared, 'PING')));
    expect(pool.stats().totals.created).toBe(1);
  });

  it('an error is the one of its command, and costs nothing', async () => {
    await using pool = poolOf({ max: 1 });
    await call(pool.shared, 'SET', 'text', 'x');
    const outcomes = await Promise.allSettled([
      call(pool.shared, 'GET', 'text'), call(pool.shared, 'INCR', 'text'),
      call(pool.shared, 'NO-SUCH-COMMAND'), call(pool.shared, 'GET', 'text'),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
    expect(outcomes[1]).toMatchObject({ reason: { message: expect.stringContaining('not an integer') } });
    expect(pool.stats().totals.created).toBe(1);
  });

  const refused = [
    ['SELECT', '1'], ['select', '1'], ['MULTI'], ['EXEC'], ['WATCH', 'k'], ['SUBSCRIBE', 'c'], ['PSUBSCRIBE', 'c'], ['BLPOP', 'k', '1'],
    ['XREAD', 'BLOCK', '0', 'STREAMS', 's', '$'], ['XREADGROUP', 'GROUP', 'g', 'BLOCK', 'BLOCK', '5', 'STREAMS', 's', '>'],
    ['WAIT', '1', '0'], ['CLIENT', 'REPLY', 'OFF'], ['client', 'tracking', 'on'], ['CLIENT', 'SETNAME', 'x'], ['AUTH', 'p'],
    ['HELLO', '3'], ['MONITOR'], ['RESET'], ['QUIT'], ['ReAdOnLy'], ['SCRIPT', 'DEBUG', 'YES'],
  ];
  it('what would change or block one is refused, unsent, with what to use instead', async () => {
    await using pool = poolOf({ max: 1 });
    await call(pool.shared, 'PING');
    const selects = await stage.observer.calls('select');
    for (const words of refused) {
      const error: unknown = await call(pool.shared, ...words).then(() => undefined, (reason: unknown) => reason);
      expect(error, words.join(' ')).toBeInstanceOf(NotSharedError);
      expect(error).toMatchObject({ code: 'ERR_POOL_NOT_SHARED', retryable: false, command: words[0]?.toUpperCase() });
      expect((error as Error).message).toMatch(/Use (?:pool\.|multi\(\)|a pool for each)/);
    }
    expect(await stage.observer.calls('select')).toBe(selects);
    const stream = `s-${name}`;
    expect(await call(pool.shared, 'XREAD', 'COUNT', '1', 'STREAMS', 'block', stream, '0', '0')).toBe(null);
    expect(String(await call(pool.shared, 'CLIENT', 'INFO'))).toContain(' flags=N ');
  });

  it('MULTI goes whole, whatever goes beside it, and may hold what would block', async () => {
    await using pool = poolOf({ max: 1 });
    const key = `multi-${name}`;
    const work: Promise<unknown>[] = [];
    for (let i = 0; i < 20; i++) {
      work.push(driver.transaction(pool.shared, [['INCR', key], ['BLPOP', 'nothing-comes', '0'], ['INCR', key]]));
      work.push(call(pool.shared, 'PING'));
    }
    const replies = await Promise.all(work);
    replies.forEach((reply, i) => {
      expect(reply).toEqual(i % 2 === 1 ? 'PONG' : [i + 1, null, i + 2]);
    });
    await expect(driver.transaction(pool.shared, [['SET', key, 'x'], ['SELECT', '3']])).rejects.toThrow(NotSharedError);
    expect(await call(pool.shared, 'GET', key)).toBe('40');
    expect(pool.stats().totals.created).toBe(1);
  });

  it('commands wait for a place within their deadline, and are told what there was', async () => {
    await using pool = poolOf({ max: 1, acquireTimeoutMs: 100 });
    await using _lease = await pool.acquire();
    const waiting = call(pool.shared, 'PING');
    await expect(waiting).rejects.toThrow(AcquireTimeoutError);
    await expect(waiting).rejects.toMatchObject({ pool: 'redis', message: expect.stringContaining('connections 1 of 1 are borrowed') });
    await expect(pool.run((shared) => call(shared, 'PING'), { timeoutMs: 30 })).rejects.toThrow(/within 30 ms|after 30 ms/);
  });

  it('with maxWaiting the queue is bounded at its door', async () => {
    await using pool = poolOf({ max: 1, sharedDepth: 1, maxWaiting: 2 });
    const lease = await pool.acquire();
    // The first one waits for the connection, and the others for a place on it.
    const waiting = [call(pool.shared, 'PING'), call(pool.shared, 'PING'), call(pool.shared, 'PING')];
    await expect(call(pool.shared, 'PING')).rejects.toThrow(QueueFullError);
    lease.release();
    expect(await Promise.all(waiting)).toEqual(['PONG', 'PONG', 'PONG']);
  });

  it('who wants a connection of his own gets the one that is shared, and the commands go on afterwards', async () => {
    await using pool = poolOf({ max: 1 });
    let stop = false;
    let done = 0;
    const crowd = Array.from({ length: 20 }, async () => {
      while (!stop) {
        await call(pool.shared, 'PING');
        done++;
      }
    });
    await until('commands', () => done, (n) => n > 50);
    expect(await pool.use((client) => call(client, 'SELECT', '0'))).toBe('OK');
    const before = done;
    await until('more commands', () => done, (n) => n > before + 50);
    stop = true;
    await Promise.all(crowd);
    expect(pool.stats().totals.created).toBe(1);
    expect(await stage.observer.count(name)).toBe(1);
  });

  it('a caller who leaves does not leave its reply to the next one', async () => {
    await using pool = poolOf({ max: 1 });
    await call(pool.shared, 'PING');
    const aborts = Array.from({ length: 50 }, () => new AbortController());
    const own = new Error('mine');
    const calls = aborts.map(({ signal }, i) => pool.run((shared) => call(shared, 'ECHO', `run ${i}`), { signal }));
    const settled = Promise.allSettled(calls);
    aborts.forEach((abort, i) => {
      if (i % 2 === 0) abort.abort(own);
    });
    expect(await call(pool.shared, 'ECHO', 'behind')).toBe('behind');
    (await settled).forEach((outcome, i) => {
      expect(outcome).toEqual(i % 2 === 0 ? { status: 'rejected', reason: own } : { status: 'fulfilled', value: `run ${i}` });
    });
    expect(pool.stats().totals.created).toBe(1);
  });

  it('what a caller who has left had not sent is never sent', async () => {
    await using pool = poolOf({ max: 1 });
    const key = `left-${name}`;
    const lease = await pool.acquire();
    const abort = new AbortController();
    const left = pool.run(async (shared) => {
      await call(shared, 'INCR', key).catch(() => undefined);
      await call(shared, 'INCR', key);
    }, { signal: abort.signal });
    abort.abort();
    await expect(left).rejects.toBe(abort.signal.reason);
    lease.release();
    expect(await call(pool.shared, 'GET', key)).toBe(null);
    await expect(pool.run((shared) => call(shared, 'INCR', key), { signal: abort.signal })).rejects.toBe(abort.signal.reason);
    expect(await call(pool.shared, 'GET', key)).toBe(null);
  });

  it('a deadline ends the call while the server is silent; the connection stays, and its replies keep their order', async () => {
    await using pool = poolOf({ max: 1, sharedConnections: 1 });
    await call(pool.shared, 'PING');
    stage.server.pause();
    try {
      const late = pool.run((shared) => call(shared, 'ECHO', 'late'), { timeoutMs: 50 });
      await expect(late).rejects.toThrow(CommandTimeoutError);
      await expect(late).rejects.toMatchObject({ code: 'ERR_POOL_COMMAND_TIMEOUT', timeoutMs: 50 });
    } finally {
      stage.server.resume();
    }
    expect(await call(pool.shared, 'ECHO', 'next')).toBe('next');
    expect(pool.stats().totals.created).toBe(1);
  });

  it('close lets what is in flight finish, and refuses the rest', async () => {
    const pool = poolOf({ max: 1 });
    await call(pool.shared, 'PING');
    const inFlight = Promise.all(Array.from({ length: 100 }, (_, i) => call(pool.shared, 'ECHO', String(i))));
    const closed = pool.close({ deadlineMs: 10_000 });
    await expect(call(pool.shared, 'PING')).rejects.toThrow(PoolClosedError);
    expect(await inFlight).toHaveLength(100);
    expect(await closed).toEqual({ abandoned: [] });
    await until('no connection', () => stage.observer.count(name), (n) => n === 0);
  });

  it('a connection that has stalled takes no new commands while another may', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port, record: false });
    // For this pool no time passes, so that nothing else can be why there is another.
    await using pool = poolOf({ max: 2, stallMs: 20, sharedDepth: 100_000, clock: new VirtualClock() }, proxy.port);
    await call(pool.shared, 'PING');
    const stuck = new Set(proxy.open);
    proxy.silence();
    proxy.resume((passage) => !stuck.has(passage));
    const behind = call(pool.shared, 'ECHO', 'stalled');
    await until('another connection', async () => {
      void call(pool.shared, 'PING').catch(() => undefined);
      return pool.stats().totals.created;
    }, (created) => created === 2);
    expect(await call(pool.shared, 'ECHO', 'goes on')).toBe('goes on');
    proxy.resume();
    expect(await behind).toBe('stalled');
  });

  it('a connection that is silent for good is given up, with an error for what was in flight', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port, record: false });
    await using pool = poolOf({ max: 1, silenceTimeoutMs: 200 }, proxy.port);
    await call(pool.shared, 'PING');
    const stuck = new Set(proxy.open);
    proxy.silence();
    proxy.resume((passage) => !stuck.has(passage));
    const lost = call(pool.shared, 'INCR', 'n');
    await expect(lost).rejects.toThrow(ConnectionLostError);
    await expect(lost).rejects.toMatchObject({ retryable: false, message: expect.stringContaining('nothing was heard') });
    expect(await call(pool.shared, 'ECHO', 'again')).toBe('again');
  });

  it('what is in flight on a connection that dies fails in our words; what comes next is on another', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port, record: false });
    await using pool = poolOf({ max: 2 }, proxy.port);
    await call(pool.shared, 'PING');
    proxy.deaf = true;
    const lost = Promise.allSettled(Array.from({ length: 10 }, () => call(pool.shared, 'INCR', `dies-${name}`)));
    const inMulti = driver.transaction(pool.shared, [['PING']]).then(() => undefined, (error: unknown) => error);
    await until('them at the server', () => stage.observer.ask('GET', `dies-${name}`), (n) => n === '10');
    proxy.cut();
    proxy.deaf = false;
    for (const outcome of await lost) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ERR_POOL_CONNECTION_LOST', retryable: false } });
    }
    expect(await inMulti).toMatchObject({ code: 'ERR_POOL_CONNECTION_LOST' });
    expect(await call(pool.shared, 'ECHO', 'again')).toBe('again');
  });

  it('what was not written when its connection died is sent on another; what may have been written is not', async () => {
    await using pool = poolOf({ max: 3 });
    const key = `unwritten-${name}`;
    let client: unknown;
    pool.on('create', ({ resource }) => { client = resource; });
    await call(pool.shared, 'PING');
    // node-redis writes at the end of the turn, in which the connection ends here; ioredis has written by then.
    const sent = call(pool.shared, 'INCR', key);
    const whole = driver.transaction(pool.shared, [['INCR', key]]).then(() => undefined, (error: unknown) => error);
    (client as EventEmitter).emit('error', new Error('reset by peer'));
    if (driver.name.startsWith('node-redis')) expect(await sent).toBe(1);
    else await expect(sent).rejects.toMatchObject({ code: 'ERR_POOL_CONNECTION_LOST', retryable: false });
    expect(await whole).toMatchObject({ code: 'ERR_POOL_CONNECTION_LOST', message: expect.stringContaining('reset by peer') });
    expect(await call(pool.shared, 'ECHO', 'again')).toBe('again');
    await until('its end', () => pool.stats().totals.destroyed, ({ broken }) => broken === 1);
  });

  for (const depth of [1, 2, 5]) {
    it(`no more than ${depth} are in flight with sharedDepth: ${depth}; the others wait in line`, async () => {
      await using pool = poolOf({ max: 1, sharedDepth: depth, stallMs: 60_000 });
      await call(pool.shared, 'PING');
      const order: number[] = [];
      stage.server.pause();
      let all: Promise<unknown>;
      try {
        all = Promise.all(Array.from({ length: 12 }, async (_, i) => {
          await call(pool.shared, 'ECHO', String(i));
          order.push(i);
        }));
        expect(pool.sharedStats().waiting).toBe(12 - depth);
      } finally {
        stage.server.resume();
      }
      await all;
      expect(order).toEqual(Array.from({ length: 12 }, (_, i) => i));
      await until('no place taken', () => pool.sharedStats().borrowed, (borrowed) => borrowed === 0);
    });
  }

  it('lanes hold for places, too', async () => {
    await using pool = poolOf({
      max: 1, sharedConnections: 1, sharedDepth: 2, stallMs: 60_000, lanes: { high: { share: 1 }, low: { share: 1 } }, headroom: 0,
    });
    await call(pool.shared, 'PING');
    const order: string[] = [];
    const run = async (lane: string): Promise<void> => {
      await pool.run((shared) => call(shared, 'PING'), { lane });
      order.push(lane);
    };
    stage.server.pause();
    const first = [run('low'), run('low')];
    const rest = [run('low'), run('low'), run('high')];
    expect(pool.sharedStats().waiting).toBe(3);
    stage.server.resume();
    await Promise.all([...first, ...rest]);
    expect(order.indexOf('high')).toBeLessThan(4); // ahead of one that came before it
    await expect(pool.run((shared) => call(shared, 'PING'), { lane: 'none' })).rejects.toThrow(/lane/);
  });
});

onRedis('the drivers\' own ways through a shared client', (stage) => {
  it('node-redis: methods, arguments and replies of every kind, views with options, scripts, iterators, pipelines', async () => {
    await using pool = createRedisPool({
      client: () => redis6.createClient({
        socket: { host: '127.0.0.1', port: stage.server.port },
        scripts: {
          addAll: redis6.defineScript({
            SCRIPT: 'return redis.call("INCRBY", KEYS[1], ARGV[1])', NUMBER_OF_KEYS: 1,
            parseCommand(parser, key: string, by: number) {
              parser.pushKey(key);
              parser.push(String(by));
            },
            transformReply: (reply: number) => reply,
          }),
        },
      }),
      max: 2,
    });
    const { shared } = pool;
    expect(shared.isReady && shared.isOpen).toBe(true);
    expect(await (await shared.connect()).set('k', 'v', { expiration: { type: 'EX', value: 100 } })).toBe('OK');
    await shared.hSet('h', { a: '1', b: '2' });
    expect({ ...await shared.hGetAll('h') }).toEqual({ a: '1', b: '2' });
    expect(await shared.withTypeMapping({ [redis6.RESP_TYPES.BLOB_STRING]: Buffer }).get('k')).toEqual(Buffer.from('v'));
    expect(await shared.get(Buffer.from('k'))).toBe('v');
    expect(await shared.addAll('n', 5)).toBe(5);
    expect(await shared.multi().set('k', 'w').get('k').execTyped()).toEqual(['OK', 'w']);
    expect(await shared.multi().get('k').incr('n').execAsPipeline()).toEqual(['w', 6]);
    await expect(shared.multi().addCommand(['MULTI']).execAsPipeline()).rejects.toThrow(NotSharedError);
    const keys: string[] = [];
    for await (const page of shared.scanIterator()) keys.push(...page);
    expect(keys.sort()).toEqual(['h', 'k', 'n']);
    expect(await pool.run((own) => own.withTypeMapping({ [redis6.RESP_TYPES.BLOB_STRING]: Buffer }).get('k'), { timeoutMs: 10_000 }))
      .toEqual(Buffer.from('w'));
    await expect(shared.subscribe('c', () => undefined)).rejects.toThrow(NotSharedError);
    await expect(shared.select(1)).rejects.toThrow(NotSharedError);
    expect(() => shared.destroy()).toThrow(/not for the shared client/);
    expect(await pool.use((client) => client.addAll('n', 1))).toBe(7);
  });

  it('ioredis: methods, buffers, callbacks, scripts, pipelines and their errors', async () => {
    await using pool = createRedisPool({
      client: () => new Redis({
        host: '127.0.0.1', port: stage.server.port, lazyConnect: true, keyPrefix: 'p:', enableAutoPipelining: true,
        scripts: { addAll: { lua: 'return redis.call("INCRBY", KEYS[1], ARGV[1])', numberOfKeys: 1 } },
      }),
      max: 2,
    });
    const { shared } = pool;
    await shared.connect();
    expect(shared.status).toBe('ready');
    expect(await shared.hset('h', { a: '1', b: '2' })).toBe(2);
    expect(await shared.hgetall('h')).toEqual({ a: '1', b: '2' });
    expect(await shared.getBuffer('no')).toBe(null);
    expect(await shared.set('k', Buffer.from([0, 255]))).toBe('OK');
    expect(await shared.getBuffer('k')).toEqual(Buffer.from([0, 255]));
    expect(await new Promise((resolve, reject) => {
      void shared.incr('n', (error, value) => error == null ? resolve(value) : reject(error));
    })).toBe(1);
    expect(await (shared as unknown as { addAll(key: string, by: number): Promise<number> }).addAll('n', 4)).toBe(5);
    const results = await shared.pipeline().get('n').lpush('n', 'x').incr('n').exec();
    expect(results?.map(([error, value]) => error === null ? value : 'error')).toEqual(['5', 'error', 6]);
    expect(await shared.multi().incr('n').exec()).toEqual([[null, 7]]);
    const pipeline = shared.pipeline() as unknown as { multi(): { incr(key: string): { exec(): { exec(): Promise<unknown> } } } };
    expect(await pipeline.multi().incr('n').exec().exec()).toMatchObject([[null, 'OK'], [null, 'QUEUED'], [null, [8]]]);
    expect(await new Promise((resolve, reject) => {
      void shared.pipeline().get('n').exec((error, all) => error == null ? resolve(all) : reject(error));
    })).toEqual([[null, '8']]);
    await expect(shared.pipeline().get('n').blpop('q', 1).exec()).rejects.toThrow(NotSharedError);
    await expect(shared.multi({ pipeline: false })).rejects.toThrow(NotSharedError);
    await expect(shared.subscribe('c')).rejects.toThrow(NotSharedError);
    expect(() => shared.disconnect()).toThrow(/not for the shared client/);
    expect(await stage.observer.ask('GET', 'p:n')).toBe('8');
  });
});
