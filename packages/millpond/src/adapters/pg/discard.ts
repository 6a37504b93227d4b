// DISCARD ALL as bytes that can precede any statement in the same write.
//
// It goes through the extended protocol and without a Sync of its own. If it fails, the server skips whatever follows until it
// meets a Sync, be it a Query message or the rest of an extended one, so that no statement ever runs in a session that was not cleaned.
// If it succeeds, the server commits it at once, by itself: DISCARD ALL is one of the commands that cannot be part of a transaction. That
// last point is true of 10.22, 11.17, 12.12, 13.8, 14.5 and everything newer; before, an error in the statement behind it would have taken
// the cleaning back, so for those servers (and others that speak the protocol) it is sent on release, at the price of a round trip.

const SQL = 'DISCARD ALL';

/** Parse, Bind and Execute of `DISCARD ALL`, unnamed. */
export const DISCARD: Buffer = Buffer.concat([
  message('P', `\0${SQL}\0\0\0`), // no name, the text, no parameter types
  message('B', '\0\0\0\0\0\0\0\0'), // no portal name, no statement name, no parameter formats, no parameters, no result formats
  message('E', '\0\0\0\0\0'), // no portal name, all rows
]);

/** What the server answers, by the names of node-postgres' events. */
export const ANSWERS_TO_DISCARD: readonly string[] = ['parseComplete', 'bindComplete', 'commandComplete'];

/** Oldest minor version, per major one, that commits DISCARD ALL by itself. */
const COMMITS_SINCE: Readonly<Record<number, number>> = { 10: 22, 11: 17, 12: 12, 13: 8, 14: 5 };

/** Whether this server takes DISCARD ALL ahead of a statement. `version` as it reports it, such as `15.20 (Debian 15.20-0+deb12u1)`. */
export function takesDiscardAhead(version: string): boolean {
  const [major = 0, minor = 0] = (/^(\d+)(?:\.(\d+))?/.exec(version) ?? []).slice(1).map(Number);
  return major >= 15 || minor >= (COMMITS_SINCE[major] ?? Infinity);
}

function message(type: string, body: string): Buffer {
  const bytes = Buffer.alloc(5 + body.length);
  bytes.write(type, 0, 'latin1');
  bytes.writeInt32BE(4 + body.length, 1);
  bytes.write(body, 5, 'latin1');
  return bytes;
}
