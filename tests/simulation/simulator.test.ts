import { simulate, SimulationError, type SimulationResult } from 'millpond/testing';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { Deadlines } from '../../packages/millpond/src/engine/waiter.ts';
import { Engine } from '../../packages/millpond/src/engine/engine.ts';
import { Lanes } from '../../packages/millpond/src/engine/lanes.ts';
import { Slots } from '../../packages/millpond/src/engine/slots.ts';

beforeEach(() => {
  vi.restoreAllMocks();
  vi.spyOn(process, 'emitWarning').mockReturnValue();
});

async function runs(count: number, steps?: number): Promise<SimulationResult[]> {
  const results: SimulationResult[] = [];
  for (let seed = 1; seed <= count; seed++) results.push(await simulate({ seed, ...(steps === undefined ? {} : { steps }) }));
  return results;
}

test('the same seed is the same run, line by line, and another seed another one', async () => {
  const first = await runs(40);
  const second = await runs(40);
  expect(second.map((run) => run.lines)).toEqual(first.map((run) => run.lines));
  expect(second.map((run) => run.fingerprint)).toEqual(first.map((run) => run.fingerprint));
  expect(new Set(first.map((run) => run.fingerprint)).size).toBe(40);
});

test('fewer steps are the same run, broken off earlier', async () => {
  const short = await runs(20, 10);
  const long = await runs(20, 40);
  for (const [index, { lines }] of short.entries()) {
    const lived = lines.slice(0, lines.findIndex((line) => / (?:heals|closes)\b/.test(line)));
    expect(long[index]!.lines.slice(0, lived.length)).toEqual(lived);
  }
});

test('its worlds have everything in them that can happen to a pool', async () => {
  const all = new Set<string>();
  for (const { lines } of await runs(600)) for (const line of lines) all.add(kindOf(line));
  for (const kind of EVERYTHING) expect(all, kind).toContain(kind);
}, 120_000);

/** What a line tells of, without who and when. */
function kindOf(line: string): string {
  const [, kind, ...rest] = line.split(' ');
  if (kind === 'failed' || kind === 'destroy') return rest.at(-1)!;
  return kind === 'state' ? rest.join(' ') : kind!;
}

const EVERYTHING: readonly string[] = [
  'ERR_POOL_ACQUIRE_TIMEOUT', 'ERR_POOL_QUEUE_FULL', 'ERR_POOL_OVERLOADED', 'ERR_POOL_PAUSED', 'ERR_POOL_UNAVAILABLE', 'ERR_POOL_CLOSED',
  'ERR_POOL_CREATE_FAILED', 'ERR_POOL_CREATE_TIMEOUT', 'ERR_POOL_LEASE_ENDED',
  'idleTimeout', 'maxLifetime', 'maxUses', 'invalid', 'stale', 'broken', 'resetFailed', 'evicted', 'leaseDestroyed', 'reclaimed', 'late',
  'overSize', 'recalled', 'poolClosed',
  'open paused', 'paused open', 'open unavailable', 'unavailable open', 'open draining', 'draining closed', 'open closed',
  'create()', 'validate()', 'reset()', 'destroy()', 'asks', 'tries', 'uses', 'served', 'releases', 'endsTwice', 'staleRelease', 'destroys',
  'detaches', 'disposed', 'aborts', 'abortsAll', 'stalls', 'loses', 'breaks', 'resizes', 'evicts', 'evictsSome', 'ready', 'notReady',
    'grants',
  'leak', 'unleak', 'createError',
];

/** One defect each of a kind that pools have had, planted into the rules that run. */
const DEFECTS: readonly { readonly what: string; readonly broken: RegExp; readonly plant: () => void }[] = [
  {
    what: 'a wake-up is forgotten', broken: /wake-up|I5/,
    plant: () => vi.spyOn(Deadlines.prototype, 'earliest').mockReturnValue(Infinity),
  },
  {
    what: 'a lost resource is not noticed', broken: /I9|broken/,
    plant: () => vi.spyOn(Engine.prototype, 'lost').mockReturnValue(),
  },
  {
    what: 'a late resource is forgotten instead of destroyed', broken: /I1|I8|I11/,
    plant: () => {
      const created = Engine.prototype.created;
      vi.spyOn(Engine.prototype, 'created').mockImplementation(function forgetful(this: Engine<unknown>, slot, ...rest) {
        if (slot.state === 'creating') created.call(this, slot, ...rest);
      });
    },
  },
  {
    what: 'an abort leaves its waiter in the queue', broken: /I5/,
    plant: () => vi.spyOn(Engine.prototype, 'abort').mockReturnValue(),
  },
  {
    what: 'a lane ignores those that are below their share', broken: /I6/,
    plant: () => {
      vi.spyOn(Lanes.prototype, 'next').mockImplementation(function unfair(this: Lanes) {
        return this.all.find((lane) => lane.queue.size > 0);
      });
    },
  },
  {
    what: 'resources that are being destroyed do not count', broken: /I1/,
    plant: () => vi.spyOn(Engine.prototype, 'counted', 'get').mockImplementation(function blind(this: Engine<unknown>) {
      return this.slots.size - this.slots.destroying.size;
    }),
  },
  {
    what: 'everything alive may be retired for idleness', broken: /min|I3|I8|wake-up/,
    plant: () => vi.spyOn(Slots.prototype, 'alive', 'get').mockReturnValue(1000),
  },
];

describe('a defect in the engine is found, and told with what repeats it:', () => {
  test.each(DEFECTS)('$what', async ({ plant, broken }) => {
    plant();
    let found: unknown;
    for (let seed = 1; seed <= 2_000 && found === undefined; seed++) {
      await simulate({ seed }).catch((error: unknown) => {
        found = error;
      });
    }
    expect(found).toBeInstanceOf(SimulationError);
    const { message, seed, step, lines } = found as SimulationError;
    expect(message).toMatch(broken);
    expect(message).toContain(`SEED=${seed} npm run simulate`);
    expect(message).toContain('"max":');
    expect(message).toContain(lines.at(-1));
    expect(step).toBeGreaterThanOrEqual(0);
  });
});
