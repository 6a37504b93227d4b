// Random walks: a pool with random options, three hundred random steps by its callers, its factory and time, the invariants after each of
// them, and at the end the proof that no place was lost. A failure names its seed; the same seed walks the same way.

import assert from 'node:assert/strict';
import { probeCapacity } from '../invariants.ts';
import type { PlayOptions, PoolCase, PoolScene } from './case.ts';
import { settled } from './expect.ts';
import { seededRandom, type SeededRandom } from '../random.ts';
import type { Request } from '../scene.ts';
import type { ScriptedResource } from '../factory.ts';

const STEPS = 300;
const refused = new Error('scripted: refused');

interface Asked {
  readonly request: Request<ScriptedResource>;
  readonly abort: AbortController;
  readonly timeoutMs: number;
}

export function walkCases(count: number): PoolCase[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `a random walk keeps every invariant and loses no place (seed ${index + 1})`,
    needs: ['evict', 'resize', 'pause', 'onLost'] as const,
    run: (play: (setup?: PlayOptions) => PoolScene) => walk(play, seededRandom(index + 1)),
  }));
}

async function walk(play: (setup?: PlayOptions) => PoolScene, random: SeededRandom): Promise<void> {
  const walker = new Walker(play(drawSetup(random.fork('options'))), random.fork('steps'));
  for (let step = 0; step < STEPS; step++) await walker.step();
  await walker.end();
}

function drawSetup(random: SeededRandom): PlayOptions {
  const max = random.int(1, 5);
  const createRetry = random.chance(0.5) ? false : ({ initialDelayMs: 10, maxDelayMs: 200, factor: 2, jitter: 0.2 } as const);
  return {
    seed: random.int(1, 1_000_000),
    factory: { reset: random.chance(0.5) },
    invariants: { backoff: createRetry !== false },
    options: {
      max,
      min: random.int(0, Math.min(2, max)),
      maxCreating: random.pick([1, 2, Infinity]),
      maxWaiting: random.pick([3, 10, Infinity]),
      createRetry,
      createTimeoutMs: random.pick([50, 500, Infinity]),
      validateAfterIdleMs: random.pick([0, 20, Infinity]),
      validateTimeoutMs: random.pick([30, 1000]),
      resetTimeoutMs: random.pick([30, 1000]),
      destroyTimeoutMs: random.pick([30, 1000]),
      idleTimeoutMs: random.pick([100, Infinity]),
      maxLifetimeMs: random.pick([200, Infinity]),
      maxUses: random.pick([3, Infinity]),
      keepaliveIntervalMs: random.pick([40, Infinity]),
      flushOnStale: random.chance(0.5),
      idleOrder: random.pick(['lifo', 'fifo'] as const),
    },
  };
}

class Walker {
  readonly #scene: PoolScene;
  readonly #random: SeededRandom;
  #asked: Asked[] = [];
  readonly #initialMax: number;

  constructor(scene: PoolScene, random: SeededRandom) {
    this.#scene = scene;
    this.#random = random;
    this.#initialMax = scene.pool.stats().max;
  }

  async step(): Promise<void> {
    const random = this.#random;
    const dice = random();
    if (dice < 0.3) this.#acquire();
    else if (dice < 0.5) this.#end();
    else if (dice < 0.6) await this.#scene.adv(random.int(0, 60));
    else if (dice < 0.65) await this.#scene.clock.stall(random.int(1, 80));
    else if (dice < 0.7) random.pick([...this.#waiting(), undefined])?.abort.abort(new Error('left'));
    else if (dice < 0.75) this.#kill();
    else if (dice < 0.85) this.#changeHooks();
    else if (dice < 0.96) this.#settleOne();
    else this.#order();
    await this.#scene.step();
    this.#checkRequests();
  }

  /** Everything comes back and succeeds: then the pool must be whole. */
  async end(): Promise<void> {
    const { pool, factory, clock } = this.#scene;
    const { create, validate, reset, destroy } = factory.script;
    for (const script of [create, validate, reset, destroy]) {
      script.does('ok');
      for (const call of script.pending) call.ok();
    }
    pool.resize({ max: this.#initialMax });
    pool.resume();
    for (const { abort } of this.#asked) abort.abort(new Error('the walk is over'));
    await this.#scene.adv(1000);
    for (const lease of this.#scene.watch.leases) lease.release();
    await this.#scene.adv(60_000);
    await probeCapacity(pool, clock);
    const closing = pool.close();
    await this.#scene.adv(60_000);
    assert.equal((await settled(this.#scene, 'close', closing)).status, 'fulfilled');
    assert.equal(factory.live, 0, 'resources left after close');
    assert.equal(clock.pending, 0, 'timers left after close');
  }

  #waiting(): Asked[] {
    return this.#asked.filter(({ request }) => request.state === 'waiting');
  }

  #acquire(): void {
    if (this.#random.chance(0.2)) {
      // The watch knows the lease.
      this.#scene.pool.tryAcquire();
      return;
    }
    const abort = new AbortController();
    const timeoutMs = this.#random.pick([20, 100, 1000]);
    this.#asked.push({ request: this.#scene.acquire({ signal: abort.signal, timeoutMs }), abort, timeoutMs });
  }

  #end(): void {
    const lease = this.#random.pick([...this.#scene.watch.leases, undefined]);
    if (lease === undefined) return;
    if (this.#random.chance(0.8)) lease.release();
    else lease.destroy(refused);
    if (this.#random.chance(0.2)) lease.release(); // late, and without effect
  }

  #kill(): void {
    const resource = this.#random.pick([...this.#scene.factory.alive(), undefined]);
    if (resource === undefined) return;
    if (this.#random.chance(0.7)) this.#scene.factory.lost(resource, refused);
    else this.#scene.factory.broken.add(resource);
  }

  #changeHooks(): void {
    const { create, validate, reset, destroy } = this.#scene.factory.script;
    const hook = this.#random.pick([create, validate, reset, destroy]);
    const afterMs = this.#random.int(1, 100);
    hook.does(
      this.#random.pick([
        'ok',
        'ok',
        'manual',
        { rejects: refused },
        { throws: refused },
        { afterMs },
        { afterMs, rejects: refused },
      ] as const),
    );
  }

  #settleOne(): void {
    const { create, validate, reset, destroy } = this.#scene.factory.script;
    const call = this.#random.pick([...create.pending, ...validate.pending, ...reset.pending, ...destroy.pending, undefined]);
    if (call === undefined) return;
    if (this.#random.chance(0.8)) call.ok();
    else call.fail(refused);
  }

  #order(): void {
    const { pool } = this.#scene;
    const dice = this.#random();
    if (dice < 0.3) pool.evict();
    else if (dice < 0.6) pool.resize({ max: this.#random.int(Math.max(1, pool.stats().min), 6) });
    else if (dice < 0.8) pool.pause({ reject: this.#random.chance(0.3) });
    else pool.resume();
  }

  /** I5: nobody waits beyond the deadline, and nobody is told so before it. */
  #checkRequests(): void {
    const now = this.#scene.clock.now();
    for (const { request, timeoutMs } of this.#asked) {
      if (request.state === 'waiting') {
        assert.ok(now < request.askedAt + timeoutMs, `I5: a request of ${request.askedAt} with ${timeoutMs} ms still waits at ${now}`);
      } else if ((request.error as { code?: unknown } | undefined)?.code === 'ERR_POOL_ACQUIRE_TIMEOUT') {
        assert.ok(request.waitedMs! >= timeoutMs, `I5: timed out after ${request.waitedMs} of ${timeoutMs} ms`);
      }
    }
    this.#asked = this.#asked.filter(({ request }) => request.state !== 'failed');
  }
}
