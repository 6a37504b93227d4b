import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { onlyPeer } from '../../../packages/proxy/src/client/peer.ts';

let root: string;
beforeEach(() => { root = mkdtempSync(join(tmpdir(), 'millpond-peer-')); });
afterEach(() => { rmSync(root, { recursive: true }); });

/** A file in a folder in a folder, each with its mode. A plain file will do: only modes are looked at. */
function laid(outer: number, inner: number, socket: number): string {
  const folder = join(root, 'folder');
  mkdirSync(folder);
  const path = join(folder, 'socket');
  writeFileSync(path, '');
  chmodSync(path, socket);
  chmodSync(folder, inner);
  chmodSync(root, outer);
  return path;
}

it.each([
  { outer: 0o755, inner: 0o755, socket: 0o777, alone: false },
  { outer: 0o755, inner: 0o755, socket: 0o755, alone: true },
  { outer: 0o755, inner: 0o755, socket: 0o700, alone: true },
  { outer: 0o755, inner: 0o755, socket: 0o770, alone: false },
  { outer: 0o755, inner: 0o755, socket: 0o702, alone: false },
  { outer: 0o755, inner: 0o700, socket: 0o777, alone: true },
  { outer: 0o700, inner: 0o755, socket: 0o777, alone: true },
  { outer: 0o710, inner: 0o755, socket: 0o777, alone: false },
  { outer: 0o701, inner: 0o755, socket: 0o777, alone: false },
  // To list a folder is not to pass through it.
  { outer: 0o744, inner: 0o755, socket: 0o777, alone: true },
])('knows who is at the other end when nobody else can connect: $outer $inner $socket', ({ outer, inner, socket, alone }) => {
  const { uid, username } = userInfo();
  expect(onlyPeer(laid(outer, inner, socket))).toEqual(alone ? { uid, name: username } : undefined);
});

it('looks at the folders that a link leads through, not at those where it lies', () => {
  const path = laid(0o755, 0o755, 0o777);
  const closed = join(root, 'closed');
  mkdirSync(closed, { mode: 0o700 });
  symlinkSync(path, join(closed, 'socket'));
  expect(onlyPeer(join(closed, 'socket'))).toBeUndefined();
});

it('knows nobody where there is nothing', () => {
  expect(onlyPeer(join(root, 'nowhere'))).toBeUndefined();
});
