// The ways to send a GET.
import { createClient, createClientPool } from '@redis/client';
import { createPool } from 'generic-pool';
import { Redis } from 'ioredis';
import { createRedisPool } from 'millpond/redis';
import type { Contender, Opened } from '../exchange/contender.ts';

export interface RedisPlace {
  readonly port: number;
  /** The server loses its data in the course of things: no answer is right too. */
  readonly forgets?: boolean;
}

const HOST = '127.0.0.1';
const KEYS = 1000;
/** Their loops are for one connection each: more at once only queue up in the kernel. */
const FEW = 20;

const bare = 'one connection: no transactions side by side, no blocking commands, no deadline';
const alone = 'a connection of its own for each command';

export const CONTENDERS: readonly Contender<RedisPlace>[] = [
  {
    id: 'connection-per-request', name: 'a connection per request', about: '@redis/client: connect, GET, close', ours: false,
    lacks: `${FEW} callers instead of all; no limit of its own`, callers: FEW, open: perRequest,
  },
  {
    id: 'node-redis', name: 'one node-redis client', about: 'createClient, as it comes', ours: false, lacks: bare,
    open: (place) => oneNodeRedis(place, 'timer'),
  },
  {
    id: 'node-redis-no-timer', name: 'one node-redis client, no command timer', about: 'commandOptions.timeout undefined', ours: false,
    lacks: bare, open: (place) => oneNodeRedis(place, 'no timer'),
  },
  {
    id: 'ioredis', name: 'one ioredis client', about: 'new Redis', ours: false, lacks: bare, open: (place) => oneIoredis(place, false),
  },
  {
    id: 'ioredis-auto', name: 'one ioredis client, auto-pipelining', about: 'enableAutoPipelining', ours: false, lacks: bare,
    open: (place) => oneIoredis(place, true),
  },
  {
    id: 'node-redis-pool', name: 'node-redis\' pool', about: 'createClientPool', ours: false,
    lacks: `${alone}; a borrowed one is not cleaned`, open: withClientPool,
  },
  {
    id: 'generic-pool', name: 'ioredis behind generic-pool', about: 'acquire, GET, release', ours: false,
    lacks: `${alone}; does not notice what happens to an idle one`, open: withGenericPool,
  },
  { id: 'millpond', name: 'millpond/redis on node-redis', about: 'pool.shared', ours: true, lacks: '', open: millpondOnNodeRedis },
  { id: 'millpond-ioredis', name: 'millpond/redis on ioredis', about: 'pool.shared', ours: true, lacks: '', open: millpondOnIoredis },
];

type Get = (key: string) => Promise<string | null>;

/** Asks for one key after the other, and looks at what comes. */
function asking({ forgets = false }: RedisPlace, get: Get, close: () => Promise<unknown>): Opened {
  let turn = 0;
  return {
    async exchange() {
      turn = (turn + 1) % KEYS;
      const expected = VALUES[turn];
      const value = await get(NAMES[turn]!);
      if (value !== expected && !(forgets && value === null)) throw new Error(`a wrong answer: ${value} instead of ${expected}`);
    },
    close,
  };
}

const NAMES = Array.from({ length: KEYS }, (_, index) => `customer:${index}`);
const VALUES = NAMES.map((name) => `the name of ${name}`);

export async function seed({ port }: RedisPlace): Promise<void> {
  const client = nodeRedis(port);
  await client.connect();
  await client.mSet(NAMES.map((name, index) => [name, VALUES[index]!] as [string, string]));
  client.destroy();
}

function nodeRedis(port: number, how: 'timer' | 'no timer' = 'timer') {
  // Its types do not know that undefined takes the timer away.
  const options = how === 'timer' ? {} : { commandOptions: { timeout: undefined as never } };
  const client = createClient({ socket: { host: HOST, port }, ...options });
  client.on('error', () => undefined); // the command under way rejects as well
  return client;
}

function ioredis(port: number, enableAutoPipelining = false): Redis {
  const client = new Redis({ host: HOST, port, lazyConnect: true, enableAutoPipelining });
  client.on('error', () => undefined);
  return client;
}

function perRequest(place: RedisPlace): Opened {
  return asking(place, async (key) => {
    const client = nodeRedis(place.port);
    try {
      await client.connect();
      return await client.get(key);
    } finally {
      client.destroy();
    }
  }, () => Promise.resolve());
}

async function oneNodeRedis(place: RedisPlace, how: 'timer' | 'no timer'): Promise<Opened> {
  const client = nodeRedis(place.port, how);
  await client.connect();
  return asking(place, (key) => client.get(key), () => Promise.resolve(client.destroy()));
}

async function oneIoredis(place: RedisPlace, auto: boolean): Promise<Opened> {
  const client = ioredis(place.port, auto);
  await client.connect();
  return asking(place, (key) => client.get(key), () => Promise.resolve(client.disconnect()));
}

async function withClientPool(place: RedisPlace, maximum: number): Promise<Opened> {
  const pool = createClientPool({ socket: { host: HOST, port: place.port } }, { minimum: 1, maximum, acquireTimeout: 30_000 });
  pool.on('error', () => undefined);
  await pool.connect();
  return asking(place, (key) => pool.get(key), () => Promise.resolve(pool.destroy()));
}

function withGenericPool(place: RedisPlace, max: number): Opened {
  const pool = createPool<Redis>({
    async create() {
      const client = ioredis(place.port);
      await client.connect();
      return client;
    },
    destroy: (client) => Promise.resolve(client.disconnect()),
  }, { max, acquireTimeoutMillis: 30_000, idleTimeoutMillis: 30_000, evictionRunIntervalMillis: 10_000 });
  return asking(place, (key) => pool.use((client) => client.get(key)), async () => {
    await pool.drain();
    await pool.clear();
  });
}

function millpondOnNodeRedis(place: RedisPlace, max: number): Opened {
  const pool = createRedisPool({ client: () => nodeRedis(place.port), max });
  return asking(place, (key) => pool.shared.get(key), () => pool.close());
}

function millpondOnIoredis(place: RedisPlace, max: number): Opened {
  const pool = createRedisPool({ client: () => ioredis(place.port), max });
  return asking(place, (key) => pool.shared.get(key), () => pool.close());
}
