// A fleet of real processes on a real PostgreSQL, for tests that do to them what happens in production. The server lets the role have as
// many sessions as come, so that one too many would be there to be seen, in its log.

import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { redisVersion } from '@millpond/lab/redis';
import { beforeAll, describe } from 'vitest';
import { ROLE, startDatabase, type FleetDatabase } from '../../lab/src/fleet/database.ts';
import type { BudgetOrder } from '../../lab/src/fleet/order.ts';
import { ProcessFleet, type Process } from '../../lab/src/fleet/processes.ts';
import { sessionsOf } from '../../lab/src/fleet/sessions.ts';
import { SocketCount } from '../../lab/src/fleet/sockets.ts';
import { until } from '../support/postgres.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DEADLINE_MS = 1_500;
const BUSY_MS = 50;
/** Of what all connections can do: everybody always needs one more. */
const LOAD = 1.2;
/** Short, so that what is lost comes back soon. */
const LEASE = { leaseMs: 1_500, graceMs: 600, deadManMs: 600 };

/** A fleet on a server of its own. `by`: its processes. */
export class Proof implements AsyncDisposable {
  readonly limit: number;
  readonly fleet: ProcessFleet;
  readonly sockets: SocketCount;
  readonly #database: FleetDatabase;

  private constructor(database: FleetDatabase, fleet: ProcessFleet, sockets: SocketCount, limit: number) {
    this.limit = limit;
    this.#database = database;
    this.fleet = fleet;
    this.sockets = sockets;
  }

  /** `budget`: what is special about it. */
  static async start(redisPort: number, limit: number, budget: Partial<BudgetOrder> = {}): Promise<Proof> {
    const database = await startDatabase();
    const order = { ...LEASE, key: 'proof', redisPort, limit, floor: 0, members: 100, ...budget };
    const share = { by: 'fleet', max: limit, budget: order } as const;
    const fleet = new ProcessFleet({ database: database.database, share, deadlineMs: DEADLINE_MS });
    return new Proof(database, fleet, await SocketCount.start(database.admin, ROLE), limit);
  }

  /** Starts so many; the load is among all of them then. `budget`: what is special about theirs. */
  async start(count: number, budget: Partial<BudgetOrder> = {}): Promise<Process[]> {
    const { share } = this.fleet.order;
    if (share.by !== 'fleet') throw new Error('not a fleet');
    const started = await this.fleet.start(count, { ...share, budget: { ...share.budget, ...budget } });
    this.#spread(this.fleet.alive);
    return started;
  }

  /** As at a deployment: it is sent no more requests, and ends when it has answered those that it had. */
  async leave(process: Process): Promise<void> {
    process.load({ perSecond: 0, busyMs: BUSY_MS });
    await until(`${process.name} to have answered`, () => process.running, (running) => running === 0);
    await process.leave();
  }

  /** Until so many of these have been served since now: all of them if nothing is said. */
  async served(processes: readonly Process[], each = 5): Promise<void> {
    const before = new Map(processes.map((process) => [process, process.tally.served]));
    await until('all of them to be served', () => processes.filter((process) => process.tally.served < before.get(process)! + each),
      (hungry) => hungry.length === 0);
  }

  /** Until these, among whom the load is, have all the connections that there are, as the server sees it. */
  async full(processes: readonly Process[]): Promise<void> {
    this.#spread(processes);
    await until('all connections to be in use', () => processes.reduce((sum, { name }) => sum + this.sockets.of(name), 0),
      (sum) => sum === this.limit);
  }

  /** Until the server has no session of it. */
  async gone({ name }: Process): Promise<void> {
    await until(`the server to have no session of ${name}`, () => this.sockets.of(name), (sessions) => sessions === 0);
  }

  /** The most sessions at once, so far, by the server's log. */
  get most(): number {
    return sessionsOf(this.#database.server.logs(), ROLE).most;
  }

  #spread(processes: readonly Process[]): void {
    const perSecond = LOAD * this.limit * 1_000 / BUSY_MS / processes.length;
    for (const each of processes) each.load({ perSecond, busyMs: BUSY_MS });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fleet[Symbol.asyncDispose]();
    await this.sockets[Symbol.asyncDispose]();
    await this.#database.server.stop();
  }
}

/** Runs a group of tests that need Redis. Without it they are left out, loudly; in CI it must be there. */
export function withRedis(name: string, define: () => void): void {
  const missing = redisVersion() === undefined;
  if (missing) {
    const message = `redis-server is not on this machine: "${name}" is left out.`;
    if (process.env['CI'] === 'true') throw new Error(`${message} In CI it must be there.`);
    process.stderr.write(`\n!!! ${message}\n\n`);
  }
  describe.skipIf(missing)(name, () => {
    // Processes of their own run what is compiled.
    beforeAll(() => {
      const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
      const { status, stdout } = spawnSync(process.execPath, [compiler, '-b', 'lab'], { cwd: ROOT, encoding: 'utf8' });
      if (status !== 0) throw new Error(`The lab does not compile:\n${stdout}`);
    });
    define();
  });
}
