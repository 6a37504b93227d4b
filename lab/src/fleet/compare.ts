// One way for a fleet to share a database's connections, under a load that moves, and what came of it.
import { setTimeout as sleep } from 'node:timers/promises';
import { percentiles } from '../percentiles.ts';
import { ROLE, type FleetDatabase } from './database.ts';
import { move, type MovingLoad } from './moving-load.ts';
import type { Share } from './order.ts';
import { ProcessFleet, type Process } from './processes.ts';
import { sessionsOf } from './sessions.ts';
import { SocketCount } from './sockets.ts';

export interface FleetRun {
  readonly share: Share;
  readonly processes: number;
  readonly load: MovingLoad;
  /** How long the load stays as it is, and how often it moves. */
  readonly stayMs: number;
  readonly turns: number;
  readonly deadlineMs: number;
  /** Before counting begins, under the same load. */
  readonly warmUpMs: number;
  readonly signal: AbortSignal;
  /** Called ten times a second. */
  readonly onLook?: (fleet: ProcessFleet, sockets: number) => void;
  /** Called when the load has moved, with how often. */
  readonly onMove?: (turn: number, fleet: ProcessFleet) => Promise<void> | void;
}

export interface FleetOutcome {
  readonly served: number;
  readonly refused: number;
  readonly late: number;
  readonly lost: readonly string[];
  /** Of all requests, from 0 to 1. */
  readonly servedShare: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** That the database had at once, by its log, and how many it refused; both from the first process on. */
  readonly mostSockets: number;
  readonly refusedSockets: number;
}

const LOOK_MS = 100;

export async function runFleet({ database, admin, server }: FleetDatabase, run: FleetRun): Promise<FleetOutcome> {
  const { share, deadlineMs, load, signal } = run;
  const logged = server.logs().length;
  await using fleet = new ProcessFleet({ database, share, deadlineMs });
  await using sockets = await SocketCount.start(admin, ROLE);
  await fleet.start(run.processes);
  move(fleet.alive, load, 0);
  await sleep(run.warmUpMs, undefined, { signal });
  fleet.reset();
  const looks = setInterval(() => run.onLook?.(fleet, sockets.now), LOOK_MS);
  try {
    for (let turn = 1; turn <= run.turns; turn++) {
      move(fleet.alive, load, turn);
      await run.onMove?.(turn, fleet);
      await sleep(run.stayMs, undefined, { signal });
    }
  } finally {
    clearInterval(looks);
  }
  quiet(fleet.alive);
  // Those that wait are served or late by then.
  await sleep(deadlineMs + load.busyMs + 2 * LOOK_MS, undefined, { signal });
  const { served, refused, late, lost, tookMs } = fleet.tally();
  const { p50, p99 } = percentiles(tookMs);
  const sessions = sessionsOf(server.logs().slice(logged), ROLE);
  return {
    served, refused, late, lost, servedShare: served / Math.max(1, served + refused + late + lost.length), p50Ms: p50, p99Ms: p99,
    mostSockets: sessions.most, refusedSockets: sessions.refused,
  };
}

function quiet(processes: readonly Process[]): void {
  for (const each of processes) each.load({ perSecond: 0, busyMs: 1 });
}
