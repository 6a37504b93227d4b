// PostgreSQL's md5 passwords: `md5` and the hash of the password with the user's name behind it; over the wire that once more with a salt.

import { createHash } from 'node:crypto';

function hash(...parts: readonly (string | Buffer)[]): string {
  const md5 = createHash('md5');
  for (const part of parts) md5.update(part);
  return md5.digest('hex');
}

/** What a server keeps of a password. */
export function md5Secret(user: string, password: string): string {
  return `md5${hash(password, user)}`;
}

export function isMd5Secret(secret: string): boolean {
  return /^md5[0-9a-f]{32}$/i.test(secret);
}

/** What a client answers to a salt; `secret` as {@link md5Secret} makes it. */
export function md5Answer(secret: string, salt: Buffer): string {
  return `md5${hash(secret.slice(3).toLowerCase(), salt)}`;
}
