// The virtual clock.

import { VirtualClock } from 'millpond/testing';
import { expect, test } from 'vitest';

test('time stands still until it is moved, and starts where it is told to', async () => {
  const clock = new VirtualClock();
  expect(clock.now()).toBe(0);
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(clock.now()).toBe(0);
  expect(new VirtualClock(1000).now()).toBe(1000);
});

test('timers fire in the order of their deadlines, ties in the order of scheduling, each at its own time', async () => {
  const clock = new VirtualClock();
  const fired: [string, number][] = [];
  for (const [name, at] of [
    ['c', 30],
    ['a', 10],
    ['b1', 20],
    ['b2', 20],
    ['d', 40],
  ] as const)
    clock.schedule(at, () => fired.push([name, clock.now()]));
  await clock.advance(35);
  expect(fired).toEqual([
    ['a', 10],
    ['b1', 20],
    ['b2', 20],
    ['c', 30],
  ]);
  expect(clock.now()).toBe(35);
  expect(clock.pending).toBe(1);
  expect(clock.nextAt).toBe(40);
});

test('a thousand timers in random order, many of them cancelled, fire in order', async () => {
  const clock = new VirtualClock();
  const fired: number[] = [];
  let expected = 0;
  let x = 12345;
  for (let i = 0; i < 1000; i++) {
    x = (x * 1103515245 + 12345) % 2 ** 31;
    const at = x % 500;
    const cancel = clock.schedule(at, () => fired.push(at));
    if (i % 3 === 0) cancel();
    else expected++;
  }
  expect(clock.pending).toBe(expected);
  clock.runSync(1000);
  expect(fired).toHaveLength(expected);
  expect(fired).toEqual([...fired].sort((a, b) => a - b));
});

test('promises run between two firings', async () => {
  const clock = new VirtualClock();
  const log: string[] = [];
  clock.schedule(10, () => {
    void (async () => {
      for (let i = 0; i < 20; i++) await null;
      log.push(`deep in the first at ${clock.now()}`);
      clock.schedule(15, () => log.push('armed by a promise'));
    })();
  });
  clock.schedule(20, () => log.push('second'));
  await clock.advance(30);
  expect(log).toEqual(['deep in the first at 10', 'armed by a promise', 'second']);
});

test('what runs before the move, runs before the first firing', async () => {
  const clock = new VirtualClock();
  const log: string[] = [];
  void Promise.resolve().then(() => clock.schedule(0, () => log.push('scheduled by a promise that was ready')));
  await clock.advance(0);
  expect(log).toHaveLength(1);
});

test('a timer in the past fires at the next move, never within schedule', async () => {
  const clock = new VirtualClock(100);
  let firedAt: number | undefined;
  clock.schedule(50, () => (firedAt = clock.now()));
  expect(firedAt).toBeUndefined();
  await clock.advance(0);
  expect(firedAt).toBe(100);
});

test('a cancelled timer does not fire, also when an earlier one of the same move cancels it; cancelling twice is harmless', async () => {
  const clock = new VirtualClock();
  const fired: string[] = [];
  const cancelLate = clock.schedule(20, () => fired.push('late'));
  clock.schedule(10, () => {
    fired.push('early');
    cancelLate();
    cancelLate();
  });
  await clock.advance(100);
  expect(fired).toEqual(['early']);
  expect(clock.pending).toBe(0);
});

test('flush runs promises and fires nothing', async () => {
  const clock = new VirtualClock();
  let fired = false;
  let ran = false;
  clock.schedule(0, () => (fired = true));
  void Promise.resolve().then(() => (ran = true));
  await clock.flush();
  expect([ran, fired]).toEqual([true, false]);
});

test('flush waits for chains of any length in which the clock is stirred', async () => {
  const clock = new VirtualClock();
  let steps = 0;
  void (async () => {
    for (; steps < 5000; steps++) {
      clock.stir();
      await null;
    }
  })();
  await clock.flush();
  expect(steps).toBe(5000);
});

test('after a stall the overdue timers fire late, then what arrived is read, then what they armed fires', async () => {
  const clock = new VirtualClock();
  const log: [string, number][] = [];
  clock.schedule(10, () => {
    log.push(['first', clock.now()]);
    clock.schedule(clock.now(), () => log.push(['armed by first', clock.now()]));
  });
  clock.schedule(20, () => log.push(['second', clock.now()]));
  clock.schedule(900, () => log.push(['not due', clock.now()]));
  await clock.stall(500, () => log.push(['io', clock.now()]));
  expect(log).toEqual([
    ['first', 500],
    ['second', 500],
    ['io', 500],
    ['armed by first', 500],
  ]);
  expect(clock.pending).toBe(1);
});

test('runSync fires without letting promises run', () => {
  const clock = new VirtualClock();
  let ran = false;
  clock.schedule(10, () => void Promise.resolve().then(() => (ran = true)));
  clock.schedule(20, () => expect(ran).toBe(false));
  expect(clock.runSync(30)).toBe(2);
  expect(clock.now()).toBe(30);
});

test('it counts the timers that would keep a process alive', () => {
  const clock = new VirtualClock();
  clock.schedule(10, () => undefined);
  const cancel = clock.schedule(10, () => undefined, true);
  expect([clock.pending, clock.keepingAlive]).toEqual([2, 1]);
  cancel();
  expect([clock.pending, clock.keepingAlive]).toEqual([1, 0]);
});

test('time does not go back, and there is no way to the end of it', async () => {
  const clock = new VirtualClock(100);
  await expect(clock.advance(-1)).rejects.toThrow(RangeError);
  await expect(clock.advanceTo(99)).rejects.toThrow(RangeError);
  await expect(clock.advance(Infinity)).rejects.toThrow(RangeError);
  await expect(clock.advance(Number.NaN)).rejects.toThrow(RangeError);
  expect(() => clock.runSync(-1)).toThrow(RangeError);
  expect(() => clock.schedule(Number.NaN, () => undefined)).toThrow(RangeError);
  expect(() => new VirtualClock(Number.NaN)).toThrow(RangeError);
  clock.schedule(Infinity, () => undefined);
  await clock.advance(1e9);
  expect(clock.pending).toBe(1);
});

test('a timer that re-arms itself at the same time is reported, not followed for ever', async () => {
  const clock = new VirtualClock();
  const again = (): void => void clock.schedule(clock.now(), again);
  again();
  expect(() => clock.runSync(1)).toThrow(/re-arms itself/);
});

test('promises that keep each other going for ever are reported', async () => {
  const clock = new VirtualClock();
  let going = true;
  const loop = async (): Promise<void> => {
    while (going && clock.stir()) await null;
  };
  void loop();
  await expect(clock.flush()).rejects.toThrow(/circles/);
  going = false;
});

test('an error of a callback comes out of the move, and the clock goes on from there', async () => {
  const clock = new VirtualClock();
  const bug = new Error('bug');
  clock.schedule(10, () => {
    throw bug;
  });
  let later = false;
  clock.schedule(20, () => (later = true));
  await expect(clock.advance(100)).rejects.toBe(bug);
  expect(clock.now()).toBe(10);
  await clock.advance(100);
  expect(later).toBe(true);
});

test('arming and cancelling a million times does not grow it', async () => {
  const clock = new VirtualClock();
  const cancelFirst = clock.schedule(1, () => undefined);
  for (let i = 0; i < 1_000_000; i++) clock.schedule(1_000_000 - i, () => undefined)();
  expect(clock.pending).toBe(1);
  expect(clock.nextAt).toBe(1);
  cancelFirst();
  expect(clock.nextAt).toBe(Infinity);
});
