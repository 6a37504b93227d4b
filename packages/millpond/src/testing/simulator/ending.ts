// The end of every world: the factory heals, and the pool has to become whole by itself; everything is given back, and it has to have lost
// no place; it is closed, and nothing may be left of it.

import { probeCapacity } from '../invariants.ts';
import type { Callers } from './callers.ts';
import type { Operators } from './operators.ts';
import { codeOf, type Stage } from './stage.ts';

/** Longer than any behaviour of a hook takes, probes and timeouts included. */
const HEALING_MS = 1_000;
/** Longer than anything that hooks began while all is well, or that ends them, can take. */
const SETTLING_MS = 320;
/** The longest delay between creates where the options name none. */
const DEFAULT_MAX_DELAY_MS = 5_000;

export async function endWorld(stage: Stage, callers: Callers, operators: Operators): Promise<void> {
  stage.mischief = () => {};
  if (operators.closed === undefined) {
    await heal(stage);
    await drain(stage, callers);
    await checkCapacity(stage, callers);
    if (stage.random.chance(0.7)) leaveSomeOut(stage);
    operators.close();
  }
  await checkClosed(stage, callers, operators);
}

/** From here on everything succeeds. What hangs is answered, unless a timeout is there to end it. */
async function heal(stage: Stage): Promise<void> {
  const { resources, pool, budget, world, random, ledger } = stage;
  stage.log.write(stage.clock.now(), 'heals');
  resources.mood = 'calm';
  resources.peaceful = true;
  resources.dead.clear();
  const { options } = world;
  for (const hook of ['create', 'validate', 'reset', 'destroy'] as const) {
    const limited = options[`${hook}TimeoutMs`] !== Infinity;
    for (const call of resources.scripted.script[hook].pending) if (!limited || random.chance(0.5)) call.ok();
  }
  pool.resume();
  // A pool that was told to be quiet works again when somebody asks for it, if only for `min`.
  if (stage.engine.quiet) void pool.ready().catch(() => undefined);
  if (budget !== undefined) {
    budget.move(Infinity);
    budget.tell();
  }
  await stage.settle();
  await stage.advance(HEALING_MS, 0);
  const retry = options.createRetry === false ? undefined : options.createRetry;
  if (!isWhole(stage)) await stage.advance(retry?.maxDelayMs ?? DEFAULT_MAX_DELAY_MS, 0);
  if (!isWhole(stage)) ledger.fault(`not whole, long after the last failure: ${JSON.stringify(pool.stats())}`);
  stage.check();
}

/** A resource whose life has just ended may be missing while its replacement is on its way, or waits for its place. */
function isWhole({ pool }: Stage): boolean {
  const { state, min, size } = pool.stats();
  return state === 'open' && size >= min;
}

/** Everybody gives back what they get, until nobody waits: nobody may be left. */
async function drain(stage: Stage, callers: Callers): Promise<void> {
  const { ledger } = stage;
  for (let round = 0; round < 1 + ledger.asks.length && (ledger.waiting.length > 0 || ledger.leases.size > 0); round++) {
    callers.releaseAll();
    await stage.advance(50, 1);
  }
  for (const ask of ledger.waiting) {
    ledger.fault(`stranded: ask ${ask.id} of ${ask.askedAt} with ${ask.timeoutMs} ms waits at a pool that has everything back`);
  }
  stage.forgetTimers();
  await stage.advance(SETTLING_MS, 0);
}

/** I10. */
async function checkCapacity(stage: Stage, callers: Callers): Promise<void> {
  const { world, resources, pool, clock, ledger } = stage;
  const { options } = world;
  stage.log.write(clock.now(), 'probes');
  resources.mood = 'instant';
  // What is being validated now is not there at once.
  await stage.advance(20);
  const plain = options.maxWaiting === undefined && options.shedding === undefined && options.lanes === undefined;
  const sharing = options.sharing ?? 1;
  const lasting = sharing === 1 || options.maxUses === undefined;
  if (plain && lasting) await probeCapacity(pool, clock, sharing);
  else await probeOneByOne(stage, lasting ? sharing : 1);
  callers.releaseAll();
  await stage.settle();
  resources.mood = 'calm';
  if (ledger.leases.size > 0) ledger.fault('leases are left');
  stage.check();
}

/** Where a queue is bounded, or lanes keep some back: each is asked for after the last was served. */
async function probeOneByOne(stage: Stage, sharing: number): Promise<void> {
  const { world, pool, ledger, engine, resources } = stage;
  // Whoever finds one that has died unnoticed may be turned away over it, where the queue is bounded: its end is not there at once.
  if (engine.slots.idle.toArray().some(({ resource }) => resources.scripted.broken.has(resource!))) return;
  const lanes = Object.values(world.options.lanes ?? {});
  if (lanes.some((lane) => lane.lendable === false || lane.borrowLimit !== undefined)) return;
  const wanted = pool.stats().max * sharing;
  for (let count = 1; count <= wanted; count++) {
    let outcome = 'nothing came';
    pool.acquire().then(
      () => {
        outcome = '';
      },
      (error: unknown) => {
        outcome = codeOf(error);
      },
    );
    await stage.clock.advance(0);
    if (outcome !== '') ledger.fault(`I10: the ${count}th of ${wanted} acquires was not served at once: ${outcome}`);
  }
}

function leaveSomeOut(stage: Stage): void {
  for (let count = stage.random.int(1, 3); count > 0; count--) stage.pool.tryAcquire();
}

/** I12. */
async function checkClosed(stage: Stage, callers: Callers, operators: Operators): Promise<void> {
  const { pool, clock, engine, ledger, resources, world } = stage;
  let result: { readonly abandoned: readonly unknown[] } | undefined;
  void operators.closed!.then((value) => {
    result = value as typeof result;
  });
  await stage.settle();
  if (ledger.waiting.length > 0) ledger.fault(`I12: ${ledger.waiting.length} wait at a pool that closes`);
  if (stage.random.chance(0.5)) callers.releaseAll();
  // Half of the time what hangs hangs on; the deadline and destroyTimeoutMs have to end it.
  resources.mood = 'calm';
  const bounded = world.options.destroyTimeoutMs !== Infinity && stage.random.chance(0.5);
  if (!bounded) for (const call of resources.scripted.script.destroy.pending) call.ok();
  await stage.advance(Math.max(0, operators.closedAt - clock.now()) + SETTLING_MS);
  if (pool.state !== 'closed' || result === undefined) {
    const lateMs = clock.now() - operators.closedAt;
    ledger.fault(`I12: ${pool.state} ${lateMs} ms after the deadline, with ${engine.slots.size} resources`);
  }
  for (const lease of ledger.leases) {
    // Of a detached resource that was shared the pool knows nothing any more.
    if (!resources.memoryOf(lease.resource).detached) ledger.fault(`I12: a lease of ${lease.resource.name} is live in a closed pool`);
  }
  stage.forgetTimers();
  for (const call of resources.pending) call.ok();
  await stage.advance(SETTLING_MS, 0);
  stage.check();
  if (callers.disposing > 0) ledger.fault(`${callers.disposing} are still waiting until what they gave back is clean or gone`);
  if (clock.pending > 0) ledger.fault(`I12: closed, with ${clock.pending} timers`);
  if ((stage.budget?.seated ?? 0) > 0) ledger.fault('I12: closed, and still seated at its budget');
  for (const [resource, memory] of resources.known) {
    const destroys = resources.scripted.destroyed(resource);
    const detached = memory.detached ? ' and detached' : '';
    if (destroys !== (memory.detached ? 0 : 1)) ledger.fault(`I8: ${resource.name} was destroyed ${destroys} times${detached}`);
  }
  stage.check();
}
