// What may be done to a pool, each to the model and to the real one, followed by a comparison of everything that can be seen.

import fc from 'fast-check';
import { expect } from 'vitest';
import type { Model } from './model.ts';
import type { Real } from './real.ts';

type Command = fc.AsyncCommand<Model, Real, true>;

/** A command is its name and two functions; the check always holds, because a pool must take everything at any time. */
function command(name: string, onModel: (model: Model) => unknown, onReal: (real: Real) => unknown): Command {
  return {
    check: () => Promise.resolve(true),
    toString: () => name,
    run: async (model, real) => {
      const expected = onModel(model);
      const got = await onReal(real);
      await real.clock.flush();
      if (expected !== undefined) expect(got, name).toEqual(expected);
      compare(model, real);
    },
  };
}

export function compare(model: Model, real: Real): void {
  expect(real.faults()).toEqual([]);
  expect(real.outcomes).toEqual(model.outcomes);
  const { idle, borrowed, waiting, size, totals } = real.pool.stats();
  expect({ idle, borrowed, waiting, size }).toEqual({
    idle: model.idle.length, borrowed: model.held.size, waiting: model.waiting, size: model.size,
  });
  expect(totals.created).toBe(model.created);
  expect(totals.detached).toBe(model.detached);
  expect(totals.acquires).toBe(model.outcomes.length);
}

const END = { release: 'release', destroy: 'destroy', detach: 'detach' } as const;

/** Ends a lease by index among all that were ever given: often one that has ended already. */
function ending(how: keyof typeof END, ask: number): Command {
  return command(`${how}(#${ask})`, (model) => model.end(ask, how), (real) => {
    const lease = real.leases.get(ask);
    if (lease === undefined) return undefined;
    const { ended } = lease;
    if (how === 'detach') {
      if (!ended) real.alive.delete(lease.detach().id);
      else expect(() => lease.detach()).toThrow(/ended/);
      return undefined;
    }
    expect(lease[how]()).toBe(!ended);
    expect(() => lease.resource).toThrow(/ended/);
    return undefined;
  });
}

const ask = fc.nat(24);

export const commands = fc.commands<Model, Real, true>([
  fc.constantFrom(5, 10, 40, 1000).map((ms) => command(`acquire(${ms} ms)`, (model) => model.acquire(ms), (real) => real.acquire(ms))),
  fc.constantFrom(10, 30).map((ms) => command(`acquire(${ms} ms)`, (model) => model.acquire(ms), (real) => real.acquire(ms))),
  fc.constant(null).map(() => command('tryAcquire', (model) => model.tryAcquire(), (real) => real.tryAcquire())),
  ask.map((index) => ending('release', index)),
  ask.map((index) => ending('release', index)),
  ask.map((index) => ending('destroy', index)),
  ask.map((index) => ending('detach', index)),
  ask.map((index) => command(`abort(#${index})`, (model) => model.abort(index), (real) => real.aborts.get(index)?.abort())),
  fc.integer({ min: 1, max: 60 }).map((ms) => command(`advance(${ms} ms)`, (model) => model.advance(ms), (real) => real.clock.advance(ms))),
  fc.integer({ min: 1, max: 5 }).map((max) => command(`resize(${max})`, (model) => model.resize(max), (real) => real.pool.resize({ max }))),
  fc.boolean().map((reject) => command(`pause(${reject})`, (model) => model.pause(reject), (real) => real.pool.pause({ reject }))),
  fc.constant(null).map(() => command('resume', (model) => model.resume(), (real) => real.pool.resume())),
  fc.constant(null).map(() => command('evict', (model) => model.evict(), (real) => void real.pool.evict())),
  fc.boolean().map((odd) => command(`evict(${odd ? 'odd' : 'even'})`,
    (model) => model.evict((id) => (id % 2 === 1) === odd),
    (real) => void real.pool.evict({ where: ({ id }) => (id % 2 === 1) === odd }))),
], { maxCommands: 60, size: 'max' });
