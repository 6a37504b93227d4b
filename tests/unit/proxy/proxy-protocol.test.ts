import { expect, it } from 'vitest';
import { isTrusted, readProxyHeader, type Source } from '../../../packages/proxy/src/client/proxy-protocol.ts';

function binary(command: number, family: number, address: readonly number[], more = 0): Buffer {
  const head = Buffer.from('\r\n\r\n\0\r\nQUIT\n\0\0\0\0', 'latin1');
  head[12] = command;
  head[13] = family;
  head.writeUInt16BE(address.length + more, 14);
  return Buffer.concat([head, Buffer.from(address), Buffer.alloc(more)]);
}

const V4 = [203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x67, 0x15, 0x38];
const V6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, ...Array.from({ length: 16 }, () => 0), 0x12, 0x67, 0x15, 0x38];

it.each<readonly [header: Buffer, source: Source | undefined]>([
  [Buffer.from('PROXY TCP4 203.0.113.7 10.0.0.1 4711 5432\r\n'), { address: '203.0.113.7', port: 4_711 }],
  [Buffer.from('PROXY TCP6 2001:db8::7 ::1 4711 5432\r\n'), { address: '2001:db8::7', port: 4_711 }],
  [Buffer.from('PROXY UNKNOWN\r\n'), undefined], [Buffer.from('PROXY UNKNOWN what ever\r\n'), undefined],
  [binary(0x21, 0x11, V4), { address: '203.0.113.7', port: 4_711 }], [binary(0x21, 0x11, V4, 30), { address: '203.0.113.7', port: 4_711 }],
  [binary(0x21, 0x21, V6), { address: '2001:db8::7', port: 4_711 }],
  // A check of the balancer's own, and a Unix socket.
  [binary(0x20, 0x11, V4), undefined], [binary(0x21, 0x31, Array.from({ length: 216 }, () => 65)), undefined],
])('reads the header %#, wherever it is cut', (header, source) => {
  const whole = Buffer.concat([header, Buffer.from('the client')]);
  expect(readProxyHeader(whole)).toEqual({ length: header.length, source });
  for (let length = 0; length < header.length; length++) expect(readProxyHeader(whole.subarray(0, length))).toBeUndefined();
});

it.each([
  Buffer.from([0, 0, 0, 8]), Buffer.from('PROXIES'), Buffer.from('PROXY TCP4 2001:db8::7 ::1 1 2\r\n'), Buffer.from('PROXY TCP4\r\n'),
  Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 99999 1\r\n'), Buffer.from(`PROXY UNKNOWN ${'x'.repeat(200)}\r\n`),
  binary(0x31, 0x11, V4), binary(0x21, 0x11, V4.slice(4)), binary(0x21, 0x11, V4, 5_000),
])('refuses the header %#', (bytes) => {
  expect(() => readProxyHeader(bytes)).toThrow(/PROXY protocol header/);
});

it('believes whom it is told to believe', () => {
  expect(isTrusted('10.1.2.3', ['10.0.0.0/8'])).toBe(true);
  expect(isTrusted('11.1.2.3', ['10.0.0.0/8', '::1'])).toBe(false);
  expect(isTrusted('::1', ['10.0.0.0/8', '::1'])).toBe(true);
  expect(isTrusted('127.0.0.1', ['127.0.0.1'])).toBe(true);
  expect(isTrusted('127.0.0.1', ['nonsense', '127.0.0.1/99'])).toBe(false);
});
