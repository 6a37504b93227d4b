// Rule 21, where the peer has a limit of its own: a shared resource carries what it says, at most `sharing`, and may say something else
// later.

import type { ScriptedFactory, ScriptedResource } from 'millpond/testing';
import { expect, test } from 'vitest';
import { seeded } from '../support/seeded.ts';
import { expectStats, names, play } from './scenarios/play.ts';

type Listener = (leases: number) => void;

/** Resources that say what they can carry: `initial` at once (undefined: nothing), and later what `say` tells them to. */
function carrying(initial: number | undefined): {
  readonly prepare: (factory: ScriptedFactory) => void; say(name: string, leases: number): void; heard(name: string): boolean;
} {
  const listeners = new Map<string, Listener>();
  return {
    prepare: (factory) => void Object.assign(factory, {
      onCapacity: (resource: ScriptedResource, listener: Listener) => {
        listeners.set(resource.name, listener);
        if (initial !== undefined) listener(initial);
        return () => void listeners.delete(resource.name);
      },
    }),
    say: (name, leases) => listeners.get(name)?.(leases),
    heard: (name) => listeners.has(name),
  };
}

test('a resource carries as many leases as it says, and the others wait or get another one', async () => {
  const capacity = carrying(2);
  const scene = play({ max: 2, sharing: 10 }, { prepare: capacity.prepare });
  const four = await scene.borrow(4);
  expect(names(four).sort()).toEqual(['r1', 'r1', 'r2', 'r2']);
  const fifth = scene.acquire();
  await scene.step();
  expect(fifth.state).toBe('waiting');
  const { name } = four[0]!.resource;
  four[0]!.release();
  await scene.step();
  expect(fifth.resource.name).toBe(name);
});

test('sharing is the most, whatever a resource says', async () => {
  const scene = play({ max: 1, sharing: 2 }, { prepare: carrying(100).prepare });
  await scene.borrow(2);
  const third = scene.acquire();
  await scene.step();
  expect(third.state).toBe('waiting');
});

test('one that carries a single lease is lent to one at a time, and is idle in between', async () => {
  const scene = play({ max: 1, sharing: 5 }, { prepare: carrying(1).prepare });
  const [first] = await scene.borrow(1);
  const second = scene.acquire();
  await scene.step();
  expect(second.state).toBe('waiting');
  first!.release();
  await scene.step();
  expect(second.state).toBe('served');
  second.release();
  await scene.step();
  expectStats(scene, { idle: 1, borrowed: 0 });
});

test('when the limit rises, waiters are served in that call', async () => {
  const capacity = carrying(1);
  const scene = play({ max: 1, sharing: 5 }, { prepare: capacity.prepare });
  await scene.borrow(1);
  const more = [scene.acquire(), scene.acquire(), scene.acquire()];
  await scene.step();
  capacity.say('r1', 3);
  await scene.step();
  expect(more.map(({ state }) => state)).toEqual(['served', 'served', 'waiting']);
});

test('when the limit falls, leases go on, and nobody gets one until there are fewer than it', async () => {
  const capacity = carrying(undefined);
  const scene = play({ max: 1, sharing: 4 }, { prepare: capacity.prepare });
  const four = await scene.borrow(4);
  capacity.say('r1', 2);
  const waiter = scene.acquire();
  await scene.step();
  for (const [index, expected] of (['waiting', 'waiting', 'served'] as const).entries()) {
    four[index]!.release();
    await scene.step();
    expect(waiter.state).toBe(expected);
  }
  expect(four[3]!.lease.ended).toBe(false);
});

test('less than one counts as one, and what is no number too', async () => {
  for (const leases of [0, -3, Number.NaN]) {
    const capacity = carrying(leases);
    const scene = play({ max: 1, sharing: 3 }, { prepare: capacity.prepare });
    const [first] = await scene.borrow(1);
    const second = scene.acquire();
    await scene.step();
    expect(second.state).toBe('waiting');
    first!.release();
    await scene.step();
    expect(second.state).toBe('served');
  }
});

test('nobody listens to a resource that is gone, and a hook that throws makes the new one broken', async () => {
  const capacity = carrying(2);
  const scene = play({ max: 1, sharing: 2 }, { prepare: capacity.prepare });
  const [lease] = await scene.borrow(1);
  expect(capacity.heard('r1')).toBe(true);
  lease!.lease.destroy();
  await scene.step();
  expect(capacity.heard('r1')).toBe(false);

  const broken = play({ max: 1, sharing: 2 }, {
    // After two that die unused the next one is put off.
    invariants: { backoff: true },
    prepare: (factory) => void Object.assign(factory, { onCapacity: () => { throw new Error('no'); } }),
  });
  broken.acquire();
  await broken.step();
  expect(broken.factory.destroys).toBeGreaterThan(0);
});

test('in any order of limits, acquires, ends, losses and evictions the invariants hold and nobody is forgotten', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seeded(seed);
    const pick = (below: number): number => Math.floor(random() * below);
    const capacity = carrying(random() < 0.5 ? 1 + pick(4) : undefined);
    const scene = play({ max: 1 + pick(3), sharing: 1 + pick(4), acquireTimeoutMs: 1e6 }, { prepare: capacity.prepare });
    const asked: ReturnType<typeof scene.acquire>[] = [];
    for (let at = 0; at < 60; at++) {
      const served = asked.filter((each) => each.state === 'served' && !each.lease.ended);
      const name = `r${1 + pick(Math.max(1, scene.factory.resources.length))}`;
      [
        () => asked.push(scene.acquire()), () => asked.push(scene.acquire()), () => served[pick(served.length)]?.release(),
        () => served[pick(served.length)]?.release(), () => capacity.say(name, pick(6)), () => capacity.say(name, pick(6)),
        () => served[pick(served.length)]?.lease.destroy(), () => scene.pool.evict(),
        () => { if (served[0] !== undefined) scene.factory.lost(served[0].resource); },
      ][pick(9)]!();
      await scene.step();
    }
    // Once all have ended their leases, everybody has been served.
    for (let more = true; more;) {
      const out = asked.filter((each) => each.state === 'served' && !each.lease.ended);
      for (const each of out) each.release();
      await scene.step();
      more = out.length > 0;
    }
    expect(asked.filter((each) => each.state === 'waiting'), `seed ${seed}`).toEqual([]);
  }
});
