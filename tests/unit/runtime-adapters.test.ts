// One preset for every kind of connection: `runtime` says for each what its defaults are made for, and what is given wins.

import { createServer, type AddressInfo } from 'node:net';
import { createClient } from '@redis/client';
import { createDispatcher, createH2Pool, HttpAgent } from 'millpond/http';
import { createMysqlPool } from 'millpond/mysql';
import { createPgPool } from 'millpond/pg';
import { createRedisPool } from 'millpond/redis';
import { createTcpPool, createTcpPools } from 'millpond/tcp';
import { expect, test } from 'vitest';

type Given = { readonly runtime: 'server' | 'function' | 'auto'; readonly max?: number };

const POOLS: Readonly<Record<string, (given: Given) => { stats(): { readonly max: number } }>> = {
  pg: (given) => createPgPool({ host: 'localhost', ...given }),
  mysql: (given) => createMysqlPool({ host: 'localhost', ...given }),
  redis: (given) => createRedisPool({ client: () => createClient(), ...given }),
  tcp: (given) => createTcpPool({ port: 1, ...given }),
  h2: (given) => createH2Pool({ authority: 'http://localhost:1', ...given }),
};

test.each(Object.entries(POOLS))('%s: a function has a small pool, a server not, and what is given wins', (_, make) => {
  expect(make({ runtime: 'function' }).stats().max).toBe(4);
  expect(make({ runtime: 'server' }).stats().max).toBe(10);
  expect(make({ runtime: 'function', max: 7 }).stats().max).toBe(7);
});

const REFUSING: Readonly<Record<string, (given: never) => unknown>> = {
  ...POOLS,
  'tcp by address': (given) => createTcpPools(given),
  'agents': (given) => new HttpAgent(given),
  'dispatchers': (given) => createDispatcher(given),
};

test.each(Object.entries(REFUSING))('%s: a runtime that there is not is refused', (_, make) => {
  expect(() => make({ runtime: 'lambda' } as never)).toThrow("runtime must be one of 'auto', 'server', 'function'");
});

test('pools by address keep their max in a function', async () => {
  const server = createServer(() => {}).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const pools = createTcpPools({ runtime: 'function' });
  const lease = await pools.acquire({ host: '127.0.0.1', port });
  expect(pools.stats().perKey.get(`127.0.0.1:${port}`)?.max).toBe(10);
  lease.release();
  await pools.close();
  server.close();
});
