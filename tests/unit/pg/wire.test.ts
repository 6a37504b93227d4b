// Bytes as the protocol has them, compared with those of node-postgres where it writes the same messages.

import { createRequire } from 'node:module';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Outgoing, type ValueMapper } from '../../../packages/millpond/src/adapters/pg/wire.ts';

const require = createRequire(import.meta.url);
interface Serializer {
  query(text: string): Buffer;
  parse(config: { name: string; text: string }): Buffer;
  bind(config: { statement: string; values: unknown[]; valueMapper: ValueMapper }): Buffer;
  describe(what: { type: 'S' | 'P'; name?: string }): Buffer;
  close(what: { type: 'S'; name: string }): Buffer;
  execute(config: object): Buffer;
  sync(): Buffer;
}
const { serialize } = createRequire(require.resolve('pg'))('pg-protocol') as { readonly serialize: Serializer };
const map: ValueMapper = (value) => {
  if (value === null || value === undefined) return null;
  return Buffer.isBuffer(value) ? value : (value as number | bigint | boolean | string).toString();
};

/** One message: type, body. */
function messages(bytes: Buffer): { readonly type: string; readonly body: Buffer }[] {
  const all: { type: string; body: Buffer }[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readInt32BE(at + 1);
    all.push({ type: String.fromCharCode(bytes[at]!), body: bytes.subarray(at + 5, at + 1 + length) });
    at += 1 + length;
  }
  return all;
}

it('writes Query, Parse, Describe, Close, Execute and Sync as node-postgres does', () => {
  const odd = [fc.constant('\ud800 alone'), fc.constant('x'.repeat(70_000))];
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ minLength: 20, maxLength: 30 }), ...odd)
    .map((each) => each.replaceAll('\0', ''));
  fc.assert(fc.property(text, fc.string({ maxLength: 20 }).map((name) => `n${name.replaceAll('\0', '')}`), (sql, name) => {
    const out = new Outgoing();
    out.query(sql);
    out.parse(name, sql);
    out.describeStatement(name);
    out.describePortal();
    out.closeStatement(name);
    out.executeAndSync();
    const theirs = Buffer.concat([
      serialize.query(sql), serialize.parse({ name, text: sql }), serialize.describe({ type: 'S', name }),
      serialize.describe({ type: 'P' }),
      serialize.close({ type: 'S', name }), serialize.execute({}), serialize.sync(),
    ]);
    expect(out.take().equals(theirs)).toBe(true);
    expect(out.length).toBe(0);
  }));
});

it('binds values as node-postgres does, but for the format of the results', () => {
  const value = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.integer(), fc.double(), fc.boolean(), fc.constant(null),
    fc.constant(undefined), fc.bigInt(),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)), fc.constant('ü'.repeat(3_000)));
  fc.assert(fc.property(fc.array(value, { maxLength: 40 }), (values) => {
    const out = new Outgoing();
    out.bind('name', values, map);
    const [ours] = messages(out.take());
    const [theirs] = messages(serialize.bind({ statement: 'name', values, valueMapper: map }));
    // Theirs ends with "one format for all results: text", ours with "no formats", which says the same.
    expect(Buffer.concat([ours!.body.subarray(0, -2), Buffer.from([0, 1, 0, 0])]).equals(theirs!.body)).toBe(true);
  }));
});

it('takes back what could not be finished', () => {
  const out = new Outgoing();
  out.query('SELECT 1');
  const start = out.length;
  expect(() => out.bind('', ['fine', {}], () => { throw new Error('not this one'); })).toThrow('not this one');
  out.rewind(start);
  out.query('SELECT 2');
  expect(messages(out.take()).map(({ body }) => body.toString())).toEqual(['SELECT 1\0', 'SELECT 2\0']);
});

it('does not keep the size of one huge statement', () => {
  const out = new Outgoing();
  out.query('x'.repeat(1_000_000));
  const first = out.take();
  out.query('SELECT 1');
  const second = out.take();
  expect(first.length).toBe(1_000_006);
  expect(second.toString('latin1')).toBe('Q\0\0\0\x0dSELECT 1\0');
});
