// A stand-in that ends with its lease.

import { EventEmitter } from 'node:events';
import { LeaseEndedError, Pool } from 'millpond';
import { handleOf } from 'millpond/handle';
import { expect, test } from 'vitest';

class Line extends EventEmitter {
  /** A stand-in that ran methods on itself could not reach this. */
  #calls = 0;
  tag = '';
  call(): number {
    return ++this.#calls;
  }
  get calls(): number {
    return this.#calls;
  }
  self(): this {
    return this;
  }
}

function linePool(): Pool<Line> {
  const create = (): Line => Object.defineProperty(new Line(), 'fixed', { value: () => 'as it is' });
  return new Pool({ max: 1, factory: { create, destroy: () => undefined } });
}

test('a handle does what its resource does, and is an instance of its class', async () => {
  const lease = await linePool().acquire();
  const handle = handleOf(lease);
  expect(handle).not.toBe(lease.resource);
  expect(handle).toBeInstanceOf(Line);
  expect(handle.constructor).toBe(Line);
  expect([handle.call(), handle.call(), handle.calls]).toEqual([1, 2, 2]);
  handle.tag = 'mine';
  expect(lease.resource.tag).toBe('mine');
  expect('tag' in handle).toBe(true);
  expect(handle.call).toBe(handle.call);
  expect(Reflect.get(handle, 'fixed')).toBe(Reflect.get(lease.resource, 'fixed'));
});

test('a method that returns the resource returns the handle', async () => {
  const handle = handleOf(await linePool().acquire());
  expect(handle.self()).toBe(handle);
  expect(handle.on('news', () => undefined)).toBe(handle);
});

test('after the end of its lease its methods and setters throw, whoever has the resource now; reading does not', async () => {
  const pool = linePool();
  const lease = await pool.acquire();
  const old = handleOf(lease);
  const { call } = old;
  old.tag = 'mine';
  lease.release();
  const next = await pool.acquire();
  expect(() => old.call()).toThrow(LeaseEndedError);
  expect(() => call.call(old)).toThrow(LeaseEndedError);
  expect(() => { old.tag = 'not mine'; }).toThrow(LeaseEndedError);
  expect(() => Reflect.deleteProperty(old, 'tag')).toThrow(LeaseEndedError);
  expect(old.tag).toBe('mine');
  expect(next.resource.calls).toBe(0);
  expect(handleOf(next).call()).toBe(1);
});

test('members of its own come before those of the resource, also after the end', async () => {
  const lease = await linePool().acquire();
  const handle = handleOf(lease, { call: () => (lease.release() ? 1 : 0) });
  expect([handle.call(), handle.call()]).toEqual([1, 0]);
});

test('what a borrower sets in place of a member of its own counts for its lease alone', async () => {
  const pool = linePool();
  const lease = await pool.acquire();
  const handle: Line = handleOf(lease, { self: (): Line => handle });
  const wrapped = function wrapped(): Line { return handle; };
  handle.self = wrapped;
  expect(handle.self).toBe(wrapped);
  expect(Object.hasOwn(lease.resource, 'self')).toBe(false);
});
