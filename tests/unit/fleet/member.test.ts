import { describe, expect, test } from 'vitest';
import { Member, RATE_ERROR } from '../../../packages/millpond/src/fleet/member.ts';
import type { Work } from '../../../packages/millpond/src/fleet/need.ts';
import type { FleetTerms, Grant, Heartbeat } from '../../../packages/millpond/src/fleet/protocol.ts';
import { TERMS } from './fleet.ts';

/** A member in the hands of a test: what it says, what it is answered, how busy its pool is. */
class Hand {
  now = 0;
  held = 0;
  changes = 0;
  readonly said: Heartbeat[] = [];
  work: Work = { arrived: 0, served: 0, usedMs: 0, borrowed: 0, waiting: 0, min: 0, max: 50 };
  readonly member: Member;

  constructor(terms: Partial<FleetTerms> = {}) {
    this.member = new Member({ member: 'm', name: 'm', weight: 1, terms: { ...TERMS, ...terms } }, {
      send: (request) => this.said.push(request),
      giveUp: () => {},
      changed: () => this.changes++,
      held: () => this.held,
      work: () => this.work,
      random: () => 0,
    }, 0);
  }

  get last(): Heartbeat {
    return this.said.at(-1)!;
  }

  get limit(): number {
    return this.member.limit(this.now);
  }

  wait(waiting: number): void {
    this.work = { ...this.work, waiting };
    this.member.want(this.now);
  }

  grant(permit: number, more: Partial<Grant> = {}): void {
    this.member.replied(this.last.seq, {
      kind: 'granted', permit, now: 500_000 + this.now, identity: 'run 1', learning: false, reserved: permit, unmet: 0, members: 1, ...more,
    }, this.now);
  }

  /** Lets time pass, waking it when it wants to be woken. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (let due = this.member.dueAt(this.now); due <= end; due = this.member.dueAt(this.now)) {
      this.now = Math.max(due, this.now + 0.001);
      this.member.tick(this.now);
    }
    this.now = end;
  }
}

describe('a grant', () => {
  test('lasts from when it was asked for, less the error of clocks, however long the answer took', () => {
    const hand = new Hand();
    hand.wait(1);
    hand.now = 900;
    hand.grant(7);
    expect(hand.limit).toBe(7);
    hand.now = TERMS.leaseMs * (1 - RATE_ERROR) - 1;
    expect(hand.limit).toBe(7);
    hand.now += 1;
    expect(hand.limit).toBe(0);
  });

  test('counts only as the answer to the last question', () => {
    const hand = new Hand();
    hand.wait(1);
    const first = hand.last.seq;
    hand.pass(1_500);
    expect(hand.last.seq).toBeGreaterThan(first);
    const late: Grant = { kind: 'granted', permit: 9, now: 1, identity: '', learning: false, reserved: 9, unmet: 0, members: 1 };
    hand.member.replied(first, late, hand.now);
    expect(hand.limit).toBe(0);
  });

  test('that has ended leaves the lent ones half of the grace, then the floor', () => {
    const hand = new Hand({ floor: 1, members: 5 });
    hand.wait(5);
    hand.grant(6);
    hand.now = 4_950;
    expect([hand.limit, hand.member.keeps(hand.now)]).toEqual([1, Infinity]);
    hand.now = 5_445;
    expect(hand.member.keeps(hand.now)).toBe(1);
  });

  test('is looked at when it is read, also after a sleep in which nothing was woken', () => {
    const hand = new Hand();
    hand.wait(1);
    hand.grant(3);
    hand.now += 60_000;
    expect([hand.limit, hand.member.keeps(hand.now)]).toEqual([0, 0]);
  });
});

describe('what it says', () => {
  test('nothing, as long as nobody waits in vain', () => {
    const hand = new Hand({ floor: 2, members: 5 });
    hand.work = { ...hand.work, borrowed: 2 };
    hand.pass(60_000);
    expect(hand.said).toEqual([]);
  });

  test('at once when somebody does, again after a tenth of a second, and then more and more patiently', () => {
    const hand = new Hand();
    hand.wait(1);
    const times: number[] = [hand.now];
    for (let round = 0; round < 6; round++) {
      hand.grant(0);
      const count = hand.said.length;
      while (hand.said.length === count) hand.pass(10);
      times.push(hand.now);
    }
    const gaps = times.slice(1).map((at, index) => Math.round((at - times[index]!) / 100) * 100);
    expect(gaps).toEqual([200, 400, 800, 1_000, 1_000, 1_000]);
  });

  test('is what it is entitled to, not what it uses', () => {
    const hand = new Hand();
    hand.wait(1);
    hand.grant(8);
    hand.held = 2;
    hand.work = { ...hand.work, borrowed: 2, waiting: 0 };
    hand.pass(600);
    expect(hand.last).toMatchObject({ held: 2, has: 8 });
  });

  test('is that it gives back, as soon as connections above a smaller grant are closed', () => {
    const hand = new Hand();
    hand.wait(8);
    hand.grant(8);
    hand.held = 8;
    hand.work = { ...hand.work, borrowed: 8, waiting: 0 };
    hand.pass(600);
    hand.grant(3);
    expect(hand.limit).toBe(3);
    const count = hand.said.length;
    hand.held = 3;
    hand.work = { ...hand.work, borrowed: 3 };
    hand.member.freed(hand.now);
    hand.pass(110);
    expect(hand.said.length).toBe(count + 1);
    expect(hand.last).toMatchObject({ held: 3, has: 3 });
  });

  test('is its last word when it leaves: what it holds shrinks, and with nothing left it is gone', () => {
    const hand = new Hand();
    hand.wait(2);
    hand.grant(2);
    hand.held = 2;
    hand.work = { ...hand.work, borrowed: 2, waiting: 0 };
    hand.pass(150);
    hand.member.leave(hand.now);
    expect(hand.limit).toBe(0);
    hand.pass(500);
    expect(hand.last).toMatchObject({ leaving: true, held: 2, has: 2 });
    hand.grant(0);
    hand.held = 0;
    hand.member.freed(hand.now);
    hand.pass(200);
    expect(hand.last).toMatchObject({ leaving: true, held: 0, has: 0 });
    hand.grant(0);
    expect(hand.member.left).toBe(true);
    expect(hand.member.dueAt(hand.now)).toBe(Infinity);
  });

  test('is its last word also when another one is under way, or was said just now', () => {
    for (const isAnswered of [false, true]) {
      const hand = new Hand();
      hand.wait(2);
      if (isAnswered) hand.grant(2);
      hand.work = { ...hand.work, waiting: 0 };
      hand.member.leave(hand.now);
      expect([hand.said.length, hand.last.leaving, hand.last.held, hand.member.left]).toEqual([2, true, 0, false]);
      hand.grant(0);
      expect(hand.member.left).toBe(true);
    }
  });

  test('is its last word whatever is answered, and when nothing is', () => {
    const { terms } = new Hand().member.settings;
    const ends: readonly ((hand: Hand) => void)[] = [
      (hand) => hand.member.replied(hand.last.seq, { kind: 'refused', reason: 'terms', terms, now: 1, identity: '' }, hand.now),
      (hand) => hand.member.replied(hand.last.seq, { kind: 'overtaken' }, hand.now),
      (hand) => hand.member.failed(hand.last.seq, hand.now),
      (hand) => hand.pass(1_000),
    ];
    for (const end of ends) {
      const hand = new Hand();
      hand.member.leave(hand.now);
      end(hand);
      expect([hand.member.left, hand.said.length, hand.member.dueAt(hand.now)]).toEqual([true, 1, Infinity]);
    }
  });
});

test('what nobody needs goes back when others wait for it, and otherwise after a lease', () => {
  const busy = (unmet: number): Hand => {
    const hand = new Hand();
    hand.wait(1);
    hand.grant(5, { unmet });
    hand.held = 5;
    hand.work = { ...hand.work, borrowed: 0, waiting: 0 };
    return hand;
  };
  const scarce = busy(3);
  scarce.pass(210);
  expect(scarce.limit).toBe(0);
  const calm = busy(0);
  for (let at = 0; at < 40; at++) {
    calm.pass(100);
    if (calm.said.length > 1) calm.grant(5);
  }
  expect(calm.limit).toBe(5);
  for (let at = 0; at < 80; at++) {
    calm.pass(100);
    calm.held = Math.min(calm.held, calm.limit);
    if (calm.limit > 0) calm.grant(5);
  }
  expect(calm.limit).toBe(0);
});

describe('refused', () => {
  test('it holds nothing, not even its floor, and asks again', () => {
    const hand = new Hand({ floor: 2, members: 5 });
    hand.wait(5);
    hand.member.replied(hand.last.seq, { kind: 'refused', reason: 'full', terms: TERMS, now: 1, identity: 'run 1' }, hand.now);
    expect(hand.limit).toBe(0);
    expect(hand.member.status(hand.now).refusal?.reason).toBe('full');
    hand.pass(1_100);
    expect(hand.said.length).toBe(2);
    hand.grant(2);
    expect(hand.limit).toBe(2);
  });
});

describe('in a fleet that lends floors', () => {
  const lending = { floor: 2, members: 5, lend: true };
  const promiseMs = 2 * 6_000 * (1 + 2 * RATE_ERROR) + 2_000;

  test('a new one has its floor when what its predecessor may have promised is over', () => {
    const hand = new Hand(lending);
    expect(hand.limit).toBe(0);
    hand.now = promiseMs;
    expect(hand.limit).toBe(2);
  });

  test('an idle one promises it, in time of the coordinator, and is bound when it has work again', () => {
    const hand = new Hand(lending);
    hand.now = promiseMs;
    hand.wait(3);
    hand.grant(2);
    hand.work = { ...hand.work, waiting: 0 };
    for (let at = 0; at < 200 && hand.last.lendsUntil === 0; at++) {
      hand.pass(100);
      hand.grant(hand.limit);
    }
    expect(hand.last).toMatchObject({ lends: 2, has: 0, held: 0 });
    expect(hand.last.lendsUntil).toBeGreaterThan(500_000 + hand.now + 2 * 6_000);
    hand.wait(1);
    expect(hand.limit).toBe(0);
    hand.pass(200);
    expect(hand.last).toMatchObject({ lends: 2, lendsUntil: 0, has: 0 });
  });
});
