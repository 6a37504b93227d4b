// What commands do to the connection that they are sent on. Nearly all do nothing: these may share one. The others leave something behind
// or keep the connection for themselves, and each kind of them is treated differently when the connection comes back.

/**
 * - `blocks`: what is sent behind it waits.
 * - `selects`, `opens` and `closes` (MULTI), `watches`, `unwatches`: known here, so that it is known when it is undone.
 * - `subscribes`: the connection is pushed messages.
 * - `soils`: leaves something that RESET takes away.
 * - `dooms`: the order of commands and replies, or the protocol, cannot be relied on any more.
 */
export type Effect =
  'blocks' | 'selects' | 'opens' | 'closes' | 'watches' | 'unwatches' | 'subscribes' | 'soils' | 'dooms';

/** `'look'`: the arguments tell. */
type Entry = Effect | 'look' | 'none';

const EFFECTS = new Map<string, Entry>();
const enter = (entry: Entry, names: string): void => {
  for (const name of names.split(' ')) EFFECTS.set(name, entry);
};
enter('blocks', 'BLPOP BRPOP BLMOVE BRPOPLPUSH BLMPOP BZPOPMIN BZPOPMAX BZMPOP WAIT WAITAOF');
enter('selects', 'SELECT');
enter('opens', 'MULTI');
enter('closes', 'EXEC DISCARD');
enter('watches', 'WATCH');
enter('unwatches', 'UNWATCH');
enter('subscribes', 'SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE');
enter('soils', 'AUTH RESET ASKING READONLY READWRITE');
enter('dooms', 'HELLO MONITOR QUIT SYNC PSYNC REPLCONF');
enter('look', 'CLIENT SCRIPT XREAD XREADGROUP HIMPORT');

/** Subcommands, by command. What is not here does nothing to the connection. */
const SUBCOMMANDS: Readonly<Record<string, Readonly<Record<string, Effect>>>> = {
  CLIENT: {
    // RESET leaves the first two as they are, at least in Redis 7.0. The others are of Valkey.
    'NO-EVICT': 'dooms', 'NO-TOUCH': 'dooms', CAPA: 'dooms', 'IMPORT-SOURCE': 'dooms',
    REPLY: 'dooms', TRACKING: 'soils', CACHING: 'soils', SETNAME: 'soils', SETINFO: 'soils',
  },
  SCRIPT: { DEBUG: 'dooms' },
  HIMPORT: { PREPARE: 'soils', DISCARD: 'soils', DISCARDALL: 'soils' },
};

/** Names as they were written, for as long as there are few: each is looked at once. */
const MOST_NAMES = 2_000;

/** The effect of a command; undefined: none. `from` is where its arguments begin in `args`. */
export function effectOf(name: unknown, args: readonly unknown[], from: number): Effect | undefined {
  const entry = (typeof name === 'string' ? EFFECTS.get(name) : undefined) ?? entryOf(name);
  if (entry === 'none') return undefined;
  return entry === 'look' ? byArguments(upper(name), args, from) : entry;
}

function entryOf(name: unknown): Entry {
  const entry = EFFECTS.get(upper(name)) ?? 'none';
  if (typeof name === 'string' && EFFECTS.size < MOST_NAMES) EFFECTS.set(name, entry);
  return entry;
}

function byArguments(name: string, args: readonly unknown[], from: number): Effect | undefined {
  if (name === 'XREAD' || name === 'XREADGROUP') {
    // BLOCK stands before STREAMS; behind that come keys, and a key may have any name.
    for (let i = from; i < args.length; i++) {
      const word = upper(args[i]);
      if (word === 'BLOCK') return 'blocks';
      if (word === 'STREAMS') return undefined;
      if (word === 'GROUP') i += 2;
    }
    return undefined;
  }
  const effects = SUBCOMMANDS[name];
  const subcommand = upper(args[from]);
  return effects !== undefined && Object.hasOwn(effects, subcommand) ? effects[subcommand] : undefined;
}

function upper(word: unknown): string {
  return String(word).toUpperCase();
}

/** Why a command cannot run on a connection that others use as well, and where it can. */
export function whyNotShared(effect: Effect): string {
  switch (effect) {
    case 'blocks': return 'makes everybody wait whose command is behind it. Use pool.blocking(), which lends a connection of its own';
    case 'opens':
    case 'closes': return 'would take in the commands of others. Use multi()…exec(), which sends the whole at once, or pool.use()';
    case 'watches':
    case 'unwatches': return 'watches for everybody on the connection. Use pool.use(), which lends a connection of its own';
    case 'subscribes': return 'turns the connection into a subscriber. Use pool.use(), which lends a connection of its own';
    case 'selects': return 'would change the database for everybody. Use a pool for each database, or pool.use()';
    case 'soils':
    case 'dooms': return 'changes the connection for everybody on it. Use pool.use(), which lends a connection of its own';
  }
}
