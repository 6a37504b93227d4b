import { seededRandom } from 'millpond/testing';
import { describe, expect, test } from 'vitest';
import { newFleet, reservedIn, step, viewOf, type Fleet } from '../../../packages/millpond/src/fleet/allocator.ts';
import { Desk } from './fleet.ts';

const held = (count: number): { held: number; has: number } => ({ held: count, has: count });

describe('while there is enough', () => {
  test('everybody gets what it asks for, headroom included', () => {
    const desk = new Desk();
    expect(desk.grant('a', { base: 4, demand: 6 })).toBe(6);
    expect(desk.grant('b', { base: 9, demand: 12 })).toBe(12);
  });

  test('a twentieth stays free for those who need more at once', () => {
    const desk = new Desk();
    expect(desk.grant('a', { base: 4, demand: 30 })).toBe(19);
    expect(desk.grant('b', { base: 1, demand: 1 })).toBe(1);
  });

  test('nothing moves: who needs less keeps what it has', () => {
    const desk = new Desk();
    desk.grant('a', { base: 8 });
    expect(desk.grant('a', { ...held(8), base: 2 })).toBe(8);
    expect(desk.grant('b', { base: 12 })).toBe(12);
    expect(desk.grant('a', { ...held(8), base: 2 })).toBe(2);
  });
});

describe('when there is not enough', () => {
  test('small needs are met in full and the rest is split evenly, as it comes back', () => {
    const desk = new Desk();
    expect(desk.grant('a', { base: 20 })).toBe(20);
    expect(desk.grant('b', { base: 20 })).toBe(0);
    expect(desk.grant('c', { base: 4 })).toBe(0);
    expect(desk.grant('a', { ...held(20), base: 20 })).toBe(8);
    expect(desk.grant('b', { base: 20 })).toBe(0);
    expect(desk.grant('a', { ...held(8), base: 20 })).toBe(8);
    expect(desk.grant('c', { base: 4 })).toBe(4);
    expect(desk.grant('b', { base: 20 })).toBe(8);
  });

  test('headroom comes after what work needs', () => {
    const desk = new Desk();
    desk.grant('a', { base: 10, demand: 19 });
    expect(desk.grant('b', { base: 10, demand: 19 })).toBe(1);
    expect(desk.grant('a', { ...held(19), base: 10, demand: 19 })).toBe(10);
  });

  test('headroom waits while work does, wherever that is', () => {
    const desk = new Desk();
    desk.grant('a', { base: 6, demand: 12 });
    desk.grant('b', { base: 8 });
    desk.grant('b', { ...held(8), base: 2 });
    // By what everybody needs there is enough, but most of it has not come back yet.
    expect(desk.grant('c', { base: 3 })).toBe(0);
    expect(desk.grant('a', { ...held(12), base: 6, demand: 12 })).toBe(9);
    expect(desk.grant('a', { ...held(9), base: 6, demand: 12 })).toBe(9);
    expect(desk.grant('c', { base: 3 })).toBe(3);
  });

  test('a member of twice the weight gets twice as much', () => {
    const desk = new Desk({ limit: 32 });
    desk.say('a', { base: 40, weight: 2 });
    desk.say('b', { base: 40 });
    expect(desk.grant('a', { ...held(30), base: 40, weight: 2 })).toBe(20);
    desk.say('a', { ...held(20), base: 40, weight: 2 });
    expect(desk.grant('b', { base: 40 })).toBe(10);
  });

  test('a permit that nobody has serves whoever asks, though it is not its turn', () => {
    const desk = new Desk({ limit: 4 });
    const members = [...'abcdefghij'];
    for (const member of members) desk.say(member, { base: 1 });
    for (const member of members) desk.say(member, { base: 1 });
    desk.now += 6_000;
    for (const member of members) desk.say(member, { base: 1 });
    expect(viewOf(desk.fleet, desk.now).reserved).toBe(2);
  });

  test('of more members than permits each has its turn', () => {
    const desk = new Desk({ limit: 5 });
    const has = new Map<string, number>();
    const served = new Set<string>();
    for (let round = 0; round < 200; round++, desk.now += 100) {
      for (const member of 'abcdefghij') {
        const permit = desk.grant(member, { ...held(has.get(member) ?? 0), base: 1 });
        has.set(member, permit);
        if (permit > 0) served.add(member);
      }
      expect([...has.values()].reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(3);
    }
    expect(served.size).toBe(10);
  });
});

describe('what is reserved', () => {
  test('falls when the connections are gone, not when they were asked for', () => {
    const desk = new Desk();
    desk.grant('a', { base: 20 });
    desk.grant('b', { base: 20 });
    expect(desk.grant('a', { ...held(20), base: 20 })).toBe(10);
    expect(desk.granted('b', { base: 20 })).toMatchObject({ permit: 0, reserved: 20 });
    desk.grant('a', { held: 14, has: 10, base: 20 });
    expect(desk.grant('b', { base: 20 })).toBe(6);
  });

  test('is what it is entitled to, not what it uses', () => {
    const desk = new Desk();
    desk.grant('a', { base: 15 });
    desk.grant('a', { held: 2, has: 15, base: 15 });
    expect(desk.grant('b', { base: 20 })).toBe(5);
  });

  test('ends T + D + Q after it was last heard of', () => {
    const desk = new Desk({ deadManMs: 4_000 });
    desk.grant('a', { base: 20 });
    desk.now += 9_999;
    expect(desk.grant('b', { base: 20 })).toBe(0);
    desk.now += 1;
    expect(desk.grant('b', { base: 20 })).toBe(20);
  });

  test('is not touched by a heartbeat that was overtaken', () => {
    const desk = new Desk();
    desk.grant('a', { base: 15, seq: 7 });
    expect(desk.say('a', { base: 1, seq: 6 })).toEqual({ kind: 'overtaken' });
    expect(desk.say('a', { base: 1, seq: 7 })).toEqual({ kind: 'overtaken' });
    expect(desk.grant('b', { base: 20 })).toBe(5);
  });

  test('shrinks with a member that leaves, and is nothing when that has closed everything', () => {
    const desk = new Desk();
    desk.grant('a', { base: 20 });
    expect(desk.granted('a', { ...held(6), leaving: true })).toMatchObject({ permit: 0, reserved: 6, members: 1 });
    expect(desk.grant('b', { base: 20 })).toBe(14);
    expect(desk.granted('a', { leaving: true })).toMatchObject({ permit: 0, reserved: 14, members: 1 });
    expect(desk.grant('b', { ...held(14), base: 20 })).toBe(20);
  });
});

describe('floors', () => {
  test('are reserved for all members that there may be', () => {
    const desk = new Desk({ floor: 2, members: 5 });
    expect(desk.granted('a', { base: 20 })).toMatchObject({ permit: 12, reserved: 20 });
    expect(desk.grant('b', { base: 20 })).toBe(2);
    for (const member of 'cde') expect(desk.grant(member)).toBe(2);
    expect(desk.say('f')).toMatchObject({ kind: 'refused', reason: 'full' });
  });

  test('stay reserved while a member leaves, for who comes in its place', () => {
    const desk = new Desk({ floor: 2, members: 3 });
    desk.grant('b');
    desk.grant('b', { ...held(1), leaving: true });
    desk.grant('a', { base: 20 });
    desk.grant('b', { leaving: true });
    expect(reservedIn(desk.fleet)).toBe(20);
  });

  const lent = { has: 0, lends: 2 };
  test('that are lent count for T + D + Q, if they are promised for twice that', () => {
    const desk = new Desk({ floor: 2, members: 5 });
    desk.say('b', { ...lent, lendsUntil: desk.now + 11_999 });
    expect(desk.grant('a', { base: 20 })).toBe(12);
    desk.say('b', { ...lent, lendsUntil: desk.now + 12_000 });
    expect(desk.grant('a', { ...held(12), base: 20 })).toBe(14);
    desk.now += 5_999;
    expect(desk.grant('a', { ...held(14), base: 20 })).toBe(14);
    desk.now += 1;
    expect(desk.grant('a', { ...held(14), base: 20 })).toBe(12);
  });

  test('that are called back come as the others give back', () => {
    const desk = new Desk({ floor: 2, members: 2 });
    desk.say('b', { ...lent, lendsUntil: desk.now + 20_000 });
    expect(desk.grant('a', { base: 20 })).toBe(20);
    expect(desk.grant('b', { has: 0, lends: 2, base: 2 })).toBe(0);
    expect(desk.grant('a', { ...held(20), base: 20 })).toBe(18);
    desk.grant('a', { ...held(18), base: 20 });
    expect(desk.grant('b', { has: 0, lends: 2, base: 2 })).toBe(2);
  });

  test('that were promised to another coordinator do not count', () => {
    const desk = new Desk({ floor: 2, members: 2 });
    desk.say('b', { ...lent, lendsUntil: desk.now + 20_000, identity: 'run 0' });
    expect(desk.grant('a', { base: 20 })).toBe(18);
  });
});

describe('learning', () => {
  test('grants nothing new for T + D + Q when the coordinator is another one, and what members have', () => {
    const desk = new Desk();
    desk.grant('a', { base: 12 });
    desk.identity = 'run 2';
    expect(desk.granted('b', { base: 5 })).toMatchObject({ permit: 0, learning: true });
    desk.now += 5_999;
    expect(desk.granted('a', { held: 10, has: 12, base: 20 })).toMatchObject({ permit: 12, learning: true });
    desk.now += 1;
    expect(desk.granted('b', { base: 20 })).toMatchObject({ permit: 8, learning: false });
  });

  test('reserves connections whose grant has lapsed, and does not allow them', () => {
    const desk = new Desk();
    desk.identity = 'run 2';
    expect(desk.granted('a', { held: 12, has: 3, base: 20 })).toMatchObject({ permit: 3, reserved: 12 });
  });

  test('does not extend what rested on a loan', () => {
    const desk = new Desk({ floor: 2, members: 2 });
    desk.identity = 'run 2';
    expect(desk.grant('a', { ...held(20), base: 20 })).toBe(18);
  });
});

describe('terms', () => {
  test('that differ are refused as long as somebody is there', () => {
    const desk = new Desk();
    desk.grant('a', { base: 5 });
    const other = { ...desk.terms, limit: 40 };
    expect(desk.say('b', { base: 5, terms: other })).toMatchObject({ kind: 'refused', reason: 'terms', terms: desk.terms });
    desk.now += 6_000;
    expect(desk.granted('b', { base: 5, terms: other })).toMatchObject({ permit: 0, learning: true });
  });
});

test('a clock that goes back stands still', () => {
  const desk = new Desk();
  desk.grant('a', { base: 20 });
  desk.now -= 100_000;
  expect(desk.granted('b', { base: 20 }).now).toBe(desk.now + 100_000);
  desk.now += 106_000;
  expect(desk.grant('b', { base: 20 })).toBe(20);
});

test('the view tells who holds and wants what', () => {
  const desk = new Desk();
  desk.grant('a', { base: 12, demand: 15, held: 1, has: 1 });
  desk.now += 250;
  desk.grant('b', { base: 12, shortMs: 700 });
  expect(viewOf(desk.fleet, desk.now)).toEqual({
    terms: desk.terms, identity: 'run 1', learningMs: 0, reserved: 20,
    members: [
      { member: 'a', name: 'a', held: 1, permit: 15, reserved: 15, base: 12, demand: 15, weight: 1, lends: 0, leaving: false, shortMs: 0,
        silentMs: 250 },
      { member: 'b', name: 'b', held: 0, permit: 5, reserved: 5, base: 12, demand: 12, weight: 1, lends: 0, leaving: false, shortMs: 700,
        silentMs: 0 },
    ],
  });
  expect(viewOf(newFleet(), 0)).toMatchObject({ terms: undefined, reserved: 0, members: [] });
});

/** What the sums must be, by looking at everybody. */
function recount({ seats }: Fleet): unknown {
  let [reserved, base, headroom, weight] = [0, 0, 0, 0];
  for (const each of seats.values()) {
    reserved += each.reserved;
    base += each.base;
    headroom += each.demand - each.base;
    weight += each.weight;
  }
  return { reserved, base, headroom, weight };
}

test('whatever is said in whatever order, no grant reserves more than there is, and the sums are those of the members', () => {
  const random = seededRandom('steps');
  for (let round = 0; round < 300; round++) {
    const floor = random.pick([0, 0, 1]);
    const desk = new Desk({ floor, members: random.int(3, 12), limit: random.int(14, 40) });
    const usable = desk.terms.limit - desk.terms.guard;
    const granted = new Map<string, { permit: number; at: number }>();
    for (let beat = 0; beat < 60; beat++) {
      const member = random.pick([...'abcdefghijkl']);
      const { permit, at } = granted.get(member) ?? { permit: floor, at: 0 };
      const has = desk.now - at < 5_000 ? permit : floor;
      const leaving = random.chance(0.1);
      const open = random.int(0, has);
      const base = random.int(0, 12);
      const reply = desk.say(member, {
        held: open, has: leaving ? open : has, base, demand: base + random.int(0, 4), weight: random.int(1, 3), leaving,
      });
      if (reply.kind === 'granted' && !leaving) granted.set(member, { permit: reply.permit, at: desk.now });
      else granted.delete(member);
      expect(reservedIn(desk.fleet)).toBeLessThanOrEqual(usable);
      const { fleet } = desk;
      expect(recount(fleet)).toEqual({
        reserved: fleet.reserved, base: fleet.base.sum, headroom: fleet.headroom.sum, weight: fleet.base.weight,
      });
      desk.now += random.int(0, 1_500);
    }
  }
});

test('a step is the same whatever way the state went to get there', () => {
  const desk = new Desk();
  desk.grant('a', { base: 12 });
  desk.grant('b', { base: 12 });
  const { seats, ...rest } = JSON.parse(JSON.stringify({ ...desk.fleet, seats: [...desk.fleet.seats] })) as Fleet & { seats: [] };
  const copy: Fleet = { ...rest, seats: new Map(seats) };
  const request = { ...held(0), member: 'c', name: 'c', seq: 1, terms: desk.terms, base: 9, demand: 9, weight: 1, leaving: false, lends: 0,
    lendsUntil: 0, identity: 'run 1', shortMs: 0 };
  expect(step(copy, request, desk.now, 'run 1')).toEqual(step(desk.fleet, request, desk.now, 'run 1'));
});
