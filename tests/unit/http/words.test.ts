// What millpond/http makes of a server's hint and of a request's options.

import { expect, test } from 'vitest';
import { parseKeepAlive, rawHeader, usableMs } from '../../../packages/millpond/src/adapters/http/hint.ts';
import { originText, serverNameOf } from '../../../packages/millpond/src/adapters/http/origin.ts';

const nothing = { timeoutMs: undefined, max: undefined };

test.each([
  ['timeout=5', { timeoutMs: 5_000, max: undefined }],
  ['timeout=5, max=100', { timeoutMs: 5_000, max: 100 }],
  ['max=100,timeout=5', { timeoutMs: 5_000, max: 100 }],
  ['Timeout = "15" ; MAX=0', { timeoutMs: 15_000, max: 0 }],
  ['timeout=5, timeout=60', { timeoutMs: 5_000, max: undefined }],
  ['timeout=0', { timeoutMs: 0, max: undefined }],
  ['timeout=-5', nothing], ['timeout=', nothing], ['timeout=soon', nothing], ['', nothing], ['xtimeout=5', nothing],
  ['timeout=99999999999999999999', nothing],
])('the hint %j says %j', (value, hint) => {
  expect(parseKeepAlive(value)).toEqual(hint);
});

test('a margin is kept from the time, and never more than half of it', () => {
  expect([60_000, 2_000, 1_000, 0].map((ms) => usableMs(ms, 1_000))).toEqual([59_000, 1_000, 500, 0]);
  expect(usableMs(5_000, Infinity)).toBe(2_500);
});

test('a header is found whatever the case of its name', () => {
  expect(rawHeader(['Date', 'now', 'KEEP-alive', 'timeout=5'], 'keep-alive')).toBe('timeout=5');
  expect(rawHeader(['keep-alive-not', 'timeout=5'], 'keep-alive')).toBeUndefined();
});

test('an origin is shown as a URL is, and an identity as a fingerprint', () => {
  expect(originText({ protocol: 'http:', host: 'example.com', port: 80 })).toBe('http://example.com');
  expect(originText({ protocol: 'https:', host: 'example.com', port: '443' })).toBe('https://example.com');
  expect(originText({ protocol: 'https:', host: '::1', port: 8443 })).toBe('https://[::1]:8443');
  expect(originText({ protocol: 'http:', host: 'localhost', port: 80, socketPath: '/run/a.sock' })).toBe('http://unix:/run/a.sock');
  const shown = originText({ protocol: 'https:', host: 'example.com', port: 443 }, 'a private key');
  expect(shown).toMatch(/^https:\/\/example\.com#[0-9a-f]{12}$/);
  expect(originText({ protocol: 'https:', host: 'example.com', port: 443 }, 'another one')).not.toBe(shown);
});

test('the name for the handshake comes from the Host header, then the host, and is never an address', () => {
  expect(serverNameOf('example.com')).toBe('example.com');
  expect(serverNameOf('10.0.0.1', 'example.com:8443')).toBe('example.com');
  expect(serverNameOf('example.com', '10.0.0.1:80')).toBe('');
  expect(serverNameOf('example.com', '[::1]:443')).toBe('');
  expect(serverNameOf('::1')).toBe('');
});
