// The kinds of connections that have a demo, each on a server of its own. The ways to come by a connection are those of the benchmark.
import mysql from 'mysql2/promise';
import { contenderOf, type Contender } from '../../bench/exchange/contender.ts';
import { CONTENDERS as HTTP } from '../../bench/http/contenders.ts';
import { CONTENDERS as MYSQL, seed as seedMysql, type MysqlPlace } from '../../bench/mysql/contenders.ts';
import { CONTENDERS as REDIS, seed as seedRedis } from '../../bench/redis/contenders.ts';
import { CONTENDERS as TCP, type Place as TcpPlace } from '../../bench/tcp/contenders.ts';
import { hasMariadb, startMariadb, type MariadbServer } from '../../servers/mariadb.ts';
import { startNodeServer, type NodeServer } from '../../servers/node-server.ts';
import { redisVersion, startRedis } from '../../servers/redis.ts';
import { Trouble } from '../../trouble.ts';
import type { Booted, Event, Kind, Way } from './kind.ts';

const KILLED = 'killed (SIGKILL)';
const BACK = 'started again';
const CALM_MS = 1200;
const DOWN_MS = 600;
/** What a program gives as its exit code when something that it needs is not there, as in sysexits.h. */
const NOT_THERE = 69;

function waysOf<P>(contenders: readonly Contender<P>[], ids: readonly string[], place: P, size: number): Way[] {
  return ids.map((id) => contenderOf(contenders, id)).map((contender) => ({
    name: contender.name, open: () => contender.open(place, size),
  }));
}

function needs(there: boolean, what: string, packages: string): void {
  if (there) return;
  throw new Trouble(
    `This demo runs on a private ${what}, whose programs are not on this machine.`,
    `Install them (Debian, Ubuntu: apt-get install ${packages}); no service needs to run. The demo without an argument brings its own.`,
    NOT_THERE,
  );
}

const redis: Kind = {
  name: 'redis', server: 'one Redis', request: 'GET', fault: 'Redis freezes for a moment, and later it is killed',
  check: () => needs(redisVersion() !== undefined, 'Redis', 'redis-server'),
  async boot(size) {
    const server = await startRedis();
    const place = { port: server.port, forgets: true };
    await seedRedis(place);
    return {
      port: server.port, pid: () => server.pid, stop: () => server.stop(),
      ways: waysOf(REDIS, ['connection-per-request', 'node-redis-pool', 'millpond'], place, size),
      events: [
        { words: 'frozen (SIGSTOP)', waitMs: CALM_MS, run: () => server.pause() },
        { words: 'goes on', waitMs: DOWN_MS, run: () => server.resume() },
        { words: KILLED, waitMs: CALM_MS, run: () => server.kill() },
        { words: BACK, waitMs: DOWN_MS, run: () => server.start() },
      ],
    };
  },
};

const mysqlKind: Kind = {
  name: 'mysql', server: 'one MariaDB', request: 'a row by its key', fault: 'all connections are KILLed, and later the server is killed',
  check: () => needs(hasMariadb(), 'MariaDB', 'mariadb-server'),
  async boot(size) {
    const server = await startMariadb();
    const { host, port, user, password, database } = server;
    const place: MysqlPlace = { host, port, user, password, database, statement: 'query' };
    await seedMysql(place);
    return {
      port, pid: () => server.pid, stop: () => server.stop(),
      ways: waysOf(MYSQL, ['connection-per-request', 'mysql2', 'millpond'], place, size),
      events: [
        { words: 'connections KILLed', waitMs: CALM_MS, run: () => killConnections(server) },
        { words: KILLED, waitMs: CALM_MS, run: () => server.kill('SIGKILL') },
        { words: BACK, waitMs: DOWN_MS, run: () => server.start() },
      ],
    };
  },
};

/** As an administrator, or a proxy that drains, does. */
async function killConnections({ host, port, user, rootPassword }: MariadbServer): Promise<void> {
  const root = await mysql.createConnection({ host, port, user: 'root', password: rootPassword });
  await root.query(`KILL USER '${user}'`);
  await root.end();
}

const tcp: Kind = {
  name: 'tcp', server: 'one server of lines', request: 'a line and its answer', fault: 'the server is killed',
  check: () => undefined,
  async boot(size) {
    const server = await startNodeServer({ serve: 'lines' });
    const place: TcpPlace = { port: server.port, ca: undefined };
    return bootedNode(server, waysOf(TCP, ['socket-per-request', 'generic-pool', 'millpond'], place, size), []);
  },
};

const IDLE_CLOSES = 20;
const BETWEEN_CLOSES_MS = 25;

const http: Kind = {
  name: 'http', server: 'one HTTP server', request: 'a GET of one line',
  fault: `the server closes whatever is idle, ${IDLE_CLOSES} times, and later it is killed`,
  check: () => undefined,
  async boot(size) {
    const server = await startNodeServer({ serve: 'pages' });
    const ways = waysOf(HTTP, ['connection-per-request', 'node-agent', 'millpond'], { port: server.port }, size);
    return bootedNode(server, ways, [{ words: 'closes idle ones', waitMs: CALM_MS, run: () => closeIdle(server) }]);
  },
};

async function closeIdle(server: NodeServer): Promise<void> {
  for (let left = IDLE_CLOSES; left > 0; left -= 1) {
    server.signal('SIGUSR2');
    await new Promise((resolve) => { setTimeout(resolve, BETWEEN_CLOSES_MS); });
  }
}

function bootedNode(server: NodeServer, ways: readonly Way[], before: readonly Event[]): Booted {
  return {
    port: server.port, pid: () => server.pid, stop: () => server.kill(), ways,
    events: [
      ...before,
      { words: KILLED, waitMs: CALM_MS, run: () => server.kill() },
      { words: BACK, waitMs: DOWN_MS, run: () => server.start() },
    ],
  };
}

export const KINDS: readonly Kind[] = [redis, mysqlKind, tcp, http];
