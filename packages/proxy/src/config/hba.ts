// Reads auth_hba_file and auth_ident_file, and finds the line that decides about a client: the first that fits its way of connecting, its
// address, its database and its user. Pure: files that the text refers to are read by whoever calls.
//
// A line that cannot be read is left out, as the lines behind it go on to count. A line that can be read and asks for a method that is not
// there keeps its place and turns away: leaving it out would give whoever it covers to a line behind it, which may let in anybody.

import { dirname, isAbsolute, join } from 'node:path';
import type { Problem } from './ini.ts';
import { rangeOf, isWithin, type AddressRange } from './addresses.ts';

export type HbaMethod = 'trust' | 'reject' | 'md5' | 'plain' | 'scram-sha-256' | 'cert' | 'peer';

/** Who the system or a certificate says it is, and as whom they may log in; undefined: as anybody. */
export interface Mapping {
  readonly systemUser: string;
  readonly user: string | undefined;
}

export interface IdentMap {
  readonly name: string;
  readonly mappings: readonly Mapping[];
}

export type IdentMaps = ReadonlyMap<string, IdentMap>;

interface Names {
  readonly all: boolean;
  readonly sameUser: boolean;
  readonly replication: boolean;
  readonly names: ReadonlySet<string>;
}

export interface HbaRule {
  readonly line: number;
  readonly type: 'local' | 'host' | 'hostssl' | 'hostnossl';
  readonly databases: Names;
  readonly users: Names;
  readonly address: AddressRange | 'all';
  readonly method: HbaMethod;
  readonly map?: IdentMap;
}

/** What is known of a client before it has proved anything. */
export interface Asking {
  /** `unix` for the Unix socket. */
  readonly address: string;
  readonly tls: boolean;
  readonly database: string;
  readonly user: string;
  /** It wants to replicate the whole server, which only the word `replication` allows. */
  readonly replication: boolean;
}

export interface HbaOptions {
  readonly maps: IdentMaps;
  /** Whether it is known who is at the other end of the Unix socket. */
  readonly peer: boolean;
  /** The text of a file with names. */
  readonly read: (file: string) => string;
}

type Token = { readonly kind: 'word' | 'quoted'; readonly text: string } | { readonly kind: ','; readonly text: ',' };

/** What is wrong with a line. */
class LineError extends Error {
  override readonly name = 'LineError';
}

const TYPES: ReadonlySet<string> = new Set(['local', 'host', 'hostssl', 'hostnossl']);
const METHODS: Readonly<Record<string, HbaMethod>> = {
  trust: 'trust', reject: 'reject', md5: 'md5', password: 'plain', plain: 'plain', 'scram-sha-256': 'scram-sha-256', cert: 'cert',
  peer: 'peer',
};
/** Methods of PostgreSQL that are not there. */
const NOT_SUPPORTED: ReadonlySet<string> = new Set(['ldap', 'pam', 'gss', 'sspi', 'ident', 'radius', 'bsd', 'oauth']);

function tokens(line: string): Token[] {
  const found: Token[] = [];
  const pattern = /\s*(?:(#.*)|(,)|"((?:[^"]|"")*)"|([^\s,"#]+))/y;
  const text = line.trimEnd();
  while (pattern.lastIndex < text.length) {
    const at = pattern.exec(text);
    if (at === null) throw new LineError('a quote that does not end');
    if (at[1] !== undefined) break;
    if (at[2] !== undefined) found.push({ kind: ',', text: ',' });
    else if (at[3] !== undefined) found.push({ kind: 'quoted', text: at[3].replaceAll('""', '"') });
    else found.push({ kind: 'word', text: at[4]! });
  }
  return found;
}

/** Goes through the lines of a text; what is wrong with one is told, and the next is read. */
function eachLine(file: string, text: string, problems: Problem[], take: (line: Token[], number: number) => void): void {
  for (const [index, raw] of text.split('\n').entries()) {
    try {
      const line = tokens(raw);
      if (line.length > 0) take(line, index + 1);
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      problems.push({ file, line: index + 1, message: `${error.message}; the line is left out` });
    }
  }
}

/** Reads auth_ident_file: name of the map, name at the system or in the certificate, user. */
export function readIdent(file: string, text: string): { readonly maps: IdentMaps; readonly problems: readonly Problem[] } {
  const maps = new Map<string, { readonly name: string; readonly mappings: Mapping[] }>();
  const problems: Problem[] = [];
  eachLine(file, text, problems, (line) => {
    const [name, systemUser, user] = line;
    if (line.length !== 3 || line.some(({ kind }) => kind === ',')) throw new LineError('not a map, a system user and a user');
    if ([systemUser!, user!].some(({ kind, text: word }) => kind === 'word' && word.startsWith('/'))) {
      throw new LineError('regular expressions are not supported');
    }
    const map = maps.get(name!.text) ?? { name: name!.text, mappings: [] };
    map.mappings.push({ systemUser: systemUser!.text, user: user!.kind === 'word' && user!.text === 'all' ? undefined : user!.text });
    maps.set(map.name, map);
  });
  return { maps, problems };
}

/** Reads auth_hba_file. */
export function readHba(file: string, text: string, options: HbaOptions): {
  readonly rules: readonly HbaRule[]; readonly problems: readonly Problem[];
} {
  const rules: HbaRule[] = [];
  const problems: Problem[] = [];
  eachLine(file, text, problems, (line, number) => {
    const rest = [...line];
    const type = rest.shift()!;
    if (type.kind !== 'word' || !TYPES.has(type.text)) throw new LineError(`unknown type: ${type.text}`);
    const databases = namesOf(rest, true, file, options);
    const users = namesOf(rest, false, file, options);
    const address = type.text === 'local' ? 'all' : addressOf(rest);
    const { method, refused } = methodOf(rest.shift(), options);
    // Options of a method that is not there are not looked at.
    const map = refused === undefined ? mapOf(rest, options) : undefined;
    if (refused !== undefined) problems.push({ file, line: number, message: `${refused}; whoever this line covers is turned away` });
    rules.push({
      line: number, type: type.text as HbaRule['type'], databases, users, address, method, ...(map === undefined ? {} : { map }),
    });
  });
  return { rules, problems };
}

/** Takes a list of names off the line. */
function namesOf(line: Token[], ofDatabases: boolean, file: string, options: HbaOptions): Names {
  const words: Token[] = [];
  do {
    const token = line.shift();
    if (token === undefined || token.kind === ',') throw new LineError(ofDatabases ? 'no database' : 'no user');
    if (token.kind === 'word' && token.text.startsWith('@')) words.push(...namesFrom(token.text.slice(1), file, options));
    else words.push(token);
  } while (line[0]?.kind === ',' && line.shift() !== undefined);
  const names = new Set<string>();
  const keywords = new Set<string>();
  for (const { kind, text } of words) {
    // What stands in quotes is a name, whatever it says.
    const keyword = kind === 'word' && (text === 'all' || (ofDatabases && (text === 'sameuser' || text === 'replication')));
    if (kind === 'word' && (text.startsWith('+') || (ofDatabases && (text === 'samerole' || text === 'samegroup')))) {
      throw new LineError(`membership in roles is not known here: ${text}`);
    }
    (keyword ? keywords : names).add(text);
  }
  return { all: keywords.has('all'), sameUser: keywords.has('sameuser'), replication: keywords.has('replication'), names };
}

function namesFrom(name: string, parent: string, { read }: HbaOptions): Token[] {
  const path = isAbsolute(name) ? name : join(dirname(parent), name);
  let text: string;
  try {
    text = read(path);
  } catch (error) {
    throw new LineError(`could not open ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const found = text.split('\n').flatMap((line) => tokens(line)).filter(({ kind }) => kind !== ',');
  if (found.some(({ kind, text: word }) => kind === 'word' && word.startsWith('@'))) throw new LineError(`${path} names another file`);
  return found;
}

function addressOf(line: Token[]): AddressRange | 'all' {
  const token = line.shift();
  if (token?.kind !== 'word') throw new LineError('no address');
  if (token.text === 'all') return 'all';
  const [address = '', bits] = token.text.split('/');
  const mask = bits ?? line.shift()?.text ?? '';
  const range = rangeOf(address, mask);
  if (typeof range === 'string') throw new LineError(range);
  return range;
}

function methodOf(token: Token | undefined, { peer }: HbaOptions): { readonly method: HbaMethod; readonly refused?: string } {
  const name = token?.kind === 'word' ? token.text : '';
  if (NOT_SUPPORTED.has(name)) return { method: 'reject', refused: `method ${name} is not supported` };
  const method = Object.hasOwn(METHODS, name) ? METHODS[name]! : undefined;
  if (method === undefined) throw new LineError(token === undefined ? 'no method' : `unknown method: ${token.text}`);
  if (method === 'peer' && !peer) {
    return {
      method: 'reject',
      refused: 'method peer needs a Unix socket that only the user of this process can reach: '
        + 'unix_socket_mode = 0700, or a folder for it that is closed to others',
    };
  }
  return { method };
}

function mapOf(line: readonly Token[], { maps }: HbaOptions): IdentMap | undefined {
  const text = line.map((token) => token.text).join('');
  if (text === '') return undefined;
  // A name in quotes is a word of its own behind the `=`.
  if (!text.startsWith('map=') || line.length > 2 || line.some(({ kind }) => kind === ',')) {
    throw new LineError(`unsupported parameters: ${text}`);
  }
  const map = maps.get(text.slice(4));
  if (map === undefined) throw new LineError(`ident map ${text.slice(4)} is not in auth_ident_file`);
  return map;
}

function covers(names: Names, name: string, other: string): boolean {
  return names.all || (names.sameUser && name === other) || names.names.has(name);
}

/** The line that decides about this client, if any does. */
export function findRule(rules: readonly HbaRule[], asking: Asking): HbaRule | undefined {
  const local = asking.address === 'unix';
  return rules.find(({ type, address, databases, users }) => {
    if (local !== (type === 'local')) return false;
    if ((type === 'hostssl' && !asking.tls) || (type === 'hostnossl' && asking.tls)) return false;
    if (address !== 'all' && !isWithin(asking.address, address)) return false;
    // Of a client that replicates the server there is no database to be named.
    if (asking.replication ? !databases.replication : !covers(databases, asking.database, asking.user)) return false;
    return covers(users, asking.user, asking.database);
  });
}

/** Whether somebody with this name at the system or in a certificate may log in as the user. */
export function mayBe(systemUser: string, user: string, map: IdentMap | undefined): boolean {
  if (map === undefined) return systemUser === user;
  return map.mappings.some((each) => each.systemUser === systemUser && (each.user === undefined || each.user === user));
}
