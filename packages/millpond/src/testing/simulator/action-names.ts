// Everything that can happen in a world, with how often it does where it does at all.

export const ACTIONS = {
  // callers
  acquire: 20,
  crowd: 3,
  tryAcquire: 4,
  use: 6,
  release: 16,
  endTwice: 2,
  destroy: 3,
  detach: 1,
  dispose: 2,
  abort: 4,
  abortAll: 1,
  // the world
  advance: 16,
  advanceToNext: 10,
  rest: 2,
  stall: 2,
  weather: 4,
  answer: 8,
  fail: 3,
  lose: 4,
  breakSilently: 2,
  // whoever runs the pool
  resize: 2,
  pause: 1,
  resume: 2,
  evict: 1.5,
  evictSome: 1.5,
  quiesce: 0.7,
  ready: 1,
  budget: 3,
  close: 0.25,
} as const;

export type ActionName = keyof typeof ACTIONS;
