// The story of a fleet: boot, act one (three ways to share a database's connections, under a load that moves), act two (a process is
// killed), what it showed. Whatever happens in it, servers and processes are gone when it is over.
import { setTimeout as sleep } from 'node:timers/promises';
import { count, duration, percent, plural } from '../../drawing/format.ts';
import type { Screen } from '../../drawing/terminal/screen.ts';
import { paint, wrap } from '../../drawing/terminal/style.ts';
import { tables, type Column } from '../../drawing/terminal/table.ts';
import { runFleet, type FleetOutcome, type FleetRun } from '../../fleet/compare.ts';
import { startDatabase, type FleetDatabase } from '../../fleet/database.ts';
import type { BudgetOrder, Share } from '../../fleet/order.ts';
import type { ProcessFleet } from '../../fleet/processes.ts';
import { redisVersion, startRedis } from '../../servers/redis.ts';
import type { FleetPlan } from './options.ts';
import { Picture } from './picture.ts';

const WIDEST_TEXT = 110;
const DEADLINE_MS = 1_000;
const LEASE = { leaseMs: 1_500, graceMs: 500, deadManMs: 1_000 };
/** From the last heartbeat of a process until its permits are free; and how long a coordinator learns that has not known the fleet. */
const BACK_MS = LEASE.leaseMs + LEASE.graceMs + LEASE.deadManMs;

interface Way {
  readonly name: string;
  readonly share: Share;
}

type Row = Way & FleetOutcome;

export async function runFleetDemo(plan: FleetPlan, screen: Screen, signal: AbortSignal): Promise<void> {
  const begunMs = performance.now();
  const { style } = screen;
  const title = `millpond: ${plan.processes} processes, one PostgreSQL that lets them have ${plan.limit} connections`;
  screen.print('', paint(style, title, 'bold'), '');
  screen.draw(['  booting PostgreSQL']);
  const database = await startDatabase(plan.limit);
  const redis = redisVersion() === undefined ? undefined : await startRedis().catch(() => undefined);
  try {
    const booted = `PostgreSQL${redis === undefined ? '' : ' and Redis'}`;
    screen.print(paint(style, `  booting ${booted}: ${duration(performance.now() - begunMs)}`, 'dim'));
    const stage: Stage = { plan, database, budget: budgetOf(plan, database, redis?.port), screen, signal };
    const rows = await actOne(stage);
    const killed = await actTwo(stage);
    screen.print('', paint(style, 'What this run showed', 'bold'));
    for (const words of closing(rows, killed, plan)) screen.print(...wrap(`- ${words}`, Math.min(WIDEST_TEXT, screen.columns), '  '));
  } finally {
    screen.rest();
    await Promise.all([database.server.stop(), redis?.stop()]);
  }
  screen.print(paint(style, `Done in ${duration(performance.now() - begunMs)}; servers and processes are gone.`, 'dim'), '');
}

interface Stage {
  readonly plan: FleetPlan;
  readonly database: FleetDatabase;
  readonly budget: BudgetOrder;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

function budgetOf({ limit, processes }: FleetPlan, { admin }: FleetDatabase, redisPort: number | undefined): BudgetOrder {
  // Those of act one that have ended are members until their leases have.
  return { ...LEASE, key: 'orders-db', redisPort, asking: admin, limit, floor: 0, members: 2 * processes };
}

function runOf({ plan, signal }: Stage, share: Share): FleetRun {
  return {
    share, processes: plan.processes, deadlineMs: DEADLINE_MS, stayMs: plan.stayMs, turns: plan.turns, signal,
    // A coordinator that knows nobody yet, or only those that were killed, gives nothing more for that long.
    warmUpMs: plan.warmUpMs + (share.by === 'fleet' ? BACK_MS : 0),
    load: { perSecond: (plan.load * plan.limit * 1_000) / plan.busyMs, busyMs: plan.busyMs, seed: 'demo' },
  };
}

const COLUMNS: readonly Column<Row>[] = [
  { head: 'each process has', left: true, cell: ({ name }) => name },
  { head: 'served', cell: ({ servedShare }) => percent(servedShare) },
  { head: 'refused by the database', cell: ({ refused }) => count(refused) },
  { head: 'too late', cell: ({ late }) => count(late) },
  { head: 'p50', cell: ({ p50Ms }) => duration(p50Ms) },
  { head: 'p99', cell: ({ p99Ms }) => duration(p99Ms) },
  { head: 'most connections', cell: ({ mostSockets }) => count(mostSockets) },
];

async function actOne(stage: Stage): Promise<Row[]> {
  const { plan: { limit, processes, load }, database, budget, screen } = stage;
  const { style } = screen;
  const equal = Math.max(1, Math.floor(limit / processes));
  const ways: readonly Way[] = [
    { name: 'pg.Pool, max 10', share: { by: 'pg.Pool', max: 10 } },
    { name: `pg.Pool, max ${equal} (an equal part)`, share: { by: 'pg.Pool', max: equal } },
    { name: 'millpond/pg and one budget', share: { by: 'fleet', max: limit, budget } },
  ];
  const title = `Act 1: a load of ${percent(load)} of what ${limit} connections can do, that moves between the processes`;
  screen.print('', paint(style, title, 'bold'));
  const rows: Row[] = [];
  for (const way of ways) {
    const picture = new Picture();
    const outcome = await runFleet(database, {
      ...runOf(stage, way.share),
      onLook(fleet, sockets) {
        picture.look(fleet, sockets);
        screen.draw([`  ${way.name}`, ...picture.lines(limit, screen.columns, style)]);
      },
      onMove: (turn) => { if (turn > 1) picture.note('the load moves'); },
    });
    if (way.share.by === 'fleet') {
      const from = budget.redisPort === undefined ? 'the same PostgreSQL (there is no redis-server here)' : 'a Redis';
      screen.print('', `  Who holds how many connections, by permits from ${from}:`, ...picture.lines(limit, screen.columns, style));
    }
    rows.push({ ...way, ...outcome });
  }
  for (const lines of tables(COLUMNS, rows, style, screen.columns)) screen.print('', ...lines);
  const legend = `served: within ${duration(DEADLINE_MS)} of waiting; most connections: sessions that the database saw at once`;
  screen.print(...wrap(legend, screen.columns).map((line) => paint(style, line, 'dim')));
  return rows;
}

interface Killed {
  /** How many permits went with it. */
  readonly permits: number;
  /** Until others had them; undefined: not seen. */
  readonly backMs: number | undefined;
  readonly mostSockets: number;
  readonly refused: number;
}

async function actTwo(stage: Stage): Promise<Killed> {
  const { plan, database, budget, screen, signal } = stage;
  const { style } = screen;
  const run = runOf(stage, { by: 'fleet', max: plan.limit, budget });
  screen.print('', paint(style, 'Act 2: the busiest process is killed (SIGKILL); nobody tells anybody', 'bold'));
  const picture = new Picture();
  let permits = 0;
  let killedAtMs = Infinity;
  let backMs: number | undefined;
  const sum = ({ alive }: ProcessFleet): number => alive.reduce((total, { may }) => total + may, 0);
  const outcome = await runFleet(database, {
    ...run, turns: 1, stayMs: plan.calmMs + BACK_MS,
    onLook(fleet, sockets) {
      picture.look(fleet, sockets);
      screen.draw(picture.lines(plan.limit, screen.columns, style));
      const now = performance.now();
      // All together never have more than the limit: then some of these were its.
      if (backMs !== undefined || now < killedAtMs || sum(fleet) <= plan.limit - permits) return;
      backMs = now - killedAtMs;
      picture.note('others have its permits');
    },
    async onMove(_, fleet) {
      await sleep(plan.calmMs, undefined, { signal });
      const [busiest] = fleet.alive.sort((a, b) => b.may - a.may);
      permits = busiest!.may;
      picture.note(`${busiest!.name} is killed`);
      await busiest!.kill();
      killedAtMs = performance.now();
      // Its requests go to the others, as a balancer would see to.
      const rest = fleet.alive;
      for (const process of rest) process.load({ ...run.load, perSecond: run.load.perSecond / rest.length });
    },
  });
  screen.print('', ...picture.lines(plan.limit, screen.columns, style));
  return { permits, backMs, mostSockets: outcome.mostSockets, refused: outcome.refused };
}

/** Said only where the figures say it. */
function closing([each, equal, fleet]: readonly Row[], killed: Killed, { limit }: FleetPlan): string[] {
  const sentences: string[] = [];
  if (each !== undefined && equal !== undefined && fleet !== undefined) {
    const most = Math.max(fleet.mostSockets, killed.mostSockets);
    const served = [fleet, equal, each].map(({ servedShare }) => percent(servedShare));
    sentences.push(
      `One budget served ${served[0]} of all requests, an equal part each ${served[1]}, a pool of 10 each ${served[2]} with ` +
        `${plural(each.refused, 'refusal')} by the database.`,
      `With one budget the database never saw more than ${most} of ${limit} connections, and refused ` +
        `${plural(fleet.refused + killed.refused, 'connection')}.`,
    );
  }
  const back = killed.backMs === undefined ? 'were not seen again in this run' : `were others' ${duration(killed.backMs)} after its death`;
  sentences.push(
    `The ${plural(killed.permits, 'permit')} of the process that was killed ${back}. They are kept for ${duration(BACK_MS)} after its ` +
      'last heartbeat: the lease, the grace, and the time after which the server ends the sessions of a client that is silent.',
  );
  return sentences;
}
