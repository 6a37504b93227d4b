// A fleet in one process: real pools, a coordinator beside them, and a clock that stands still.

import { Pool } from 'millpond';
import {
  fleetBudget, newFleet, step, viewOf, type Coordinator, type FleetBudget, type FleetBudgetOptions, type Reply,
} from 'millpond/fleet';
import { ScriptedFactory, VirtualClock, type ScriptedResource } from 'millpond/testing';

export class House {
  readonly clock = new VirtualClock(1_000);
  readonly fleet = newFleet();
  away = false;
  why: unknown = new Error('connection refused');
  heartbeats = 0;
  readonly coordinator: Coordinator = {
    heartbeat: (request) => {
      this.heartbeats++;
      if (this.away) return Promise.reject(this.why);
      const reply: Reply = step(this.fleet, request, this.#serverTime, 'run 1');
      return new Promise((resolve) => {
        this.clock.schedule(this.clock.now() + 2, () => resolve(reply));
      });
    },
    view: () => Promise.resolve(viewOf(this.fleet, this.#serverTime)),
  };

  get #serverTime(): number {
    return 5_000_000 + Math.floor(this.clock.now());
  }

  budget(name: string, options: Partial<FleetBudgetOptions> = {}): FleetBudget {
    return fleetBudget(this.coordinator, { limit: 4, name, clock: this.clock, random: () => 0, ...options });
  }

  /** A pool of the fleet of four connections. */
  pool(name: string, options: Partial<FleetBudgetOptions> = {}): Pool<ScriptedResource> {
    return this.poolOn(name, this.budget(name, options), new ScriptedFactory({ clock: this.clock }));
  }

  poolOn(name: string, budget: FleetBudget, factory: ScriptedFactory): Pool<ScriptedResource> {
    return new Pool({ name, factory, max: 10, acquireTimeoutMs: 20_000, clock: this.clock, budget, random: () => 0.5 });
  }

  /** Until the coordinator knows what there is: T + D. */
  async learn(): Promise<void> {
    const pool = this.pool('first');
    const waits = pool.acquire({ timeoutMs: 100 }).catch(() => {});
    await this.clock.advance(200);
    await waits;
    await pool.close();
    await this.clock.advance(7_000);
  }
}
