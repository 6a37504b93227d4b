import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { readAuthFile } from '../../../packages/proxy/src/config/auth-file.ts';
import { interpret, loadConfig, type Config } from '../../../packages/proxy/src/config/config.ts';
import { readIni, readPairs } from '../../../packages/proxy/src/config/ini.ts';
import { defaults, formatValue, parseValue, SETTING_NAMES, SETTINGS } from '../../../packages/proxy/src/config/settings.ts';
import { parseCommand } from '../../../packages/proxy/src/admin/parse.ts';

const read = (text: string): Config => interpret(readIni('a.ini', () => text));

it('reads databases, users and settings; the later of two with one name counts', () => {
  const { values, databases, users, problems } = read(`
;; a comment
[databases]
shop = host=10.0.0.1,10.0.0.2 port=5433 dbname='shop db' user=alice password='it''s' pool_size=7 pool_mode=session
"with space" = host=/var/run
* = host=127.0.0.1

[pgbouncer]
# another
listen_port = 7000
listen_port = 7001
pool_mode = transaction
server_idle_timeout = 1.5
admin_users = boss, root

[users]
alice = pool_mode=statement max_user_connections=3 query_timeout=2

[pgbouncer]
auth_type = trust
`);
  expect(problems).toEqual([]);
  expect(values).toMatchObject({
    listen_port: 7001, pool_mode: 'transaction', server_idle_timeout: 1_500, admin_users: ['boss', 'root'], auth_type: 'trust',
  });
  expect(databases.get('shop')).toMatchObject({
    hosts: ['10.0.0.1', '10.0.0.2'], port: 5433, dbname: 'shop db', user: 'alice', password: "it's", poolSize: 7, poolMode: 'session',
  });
  expect(databases.get('with space')).toMatchObject({ hosts: ['/var/run'], port: 5432 });
  expect(databases.has('*')).toBe(true);
  expect(users.get('alice')).toEqual({ name: 'alice', poolMode: 'statement', maxUserConnections: 3, queryTimeoutMs: 2_000 });
});

it.each([
  ['listen_port = many', 'invalid value "many" for parameter listen_port in configuration (a.ini:2)'],
  ['lissten_port = 1', 'unknown parameter: pgbouncer/lissten_port'],
  ['auth_type = pam', 'PAM is not supported'],
  ['nonsense', 'syntax error in configuration (a.ini:2), stopping loading'],
  ['[databases]\nx = host', 'syntax error in connection string: x'],
  ['[databases]\nx = hots=1', 'unrecognized connection parameter: hots'],
  ['[databases]\nx = port=abc', 'invalid value "abc" for port of x'],
  ['[databases]\npgbouncer = host=1', 'database name "pgbouncer" is reserved for admin console'],
  ['proxy_protocol_from = 10.0.0.1/8', 'has bits that its mask 8 leaves out'],
  ['[nowhere]\nx = 1', 'unknown section: nowhere'],
])('says what is wrong with %j, and where', (line, message) => {
  const { problems } = read(`[pgbouncer]\n${line}\n`);
  expect(problems).toHaveLength(1);
  expect(problems[0]!.message).toContain(message);
  expect(problems[0]).toMatchObject({ file: 'a.ini', line: line.includes('\n') ? 3 : 2 });
});

it('says of what it reads and does not do that it does not', () => {
  const reserved = 'cannot use the reserved "pgbouncer" database as an auth_dbname';
  expect(read('[pgbouncer]\nauth_dbname = pgbouncer\n').warnings).toMatchObject([{ line: 2, message: reserved }]);
  const said = expect.stringContaining('syslog does nothing here') as unknown;
  expect(read('[pgbouncer]\nsyslog = 1\n').warnings).toMatchObject([{ line: 2, message: said }]);
  expect(read('[pgbouncer]\nsyslog = 0\n').warnings).toEqual([]);
});

let folder: string | undefined;
afterEach(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true });
  folder = undefined;
});

it('includes other files, and ends with a word when they include each other', () => {
  folder = mkdtempSync(join(tmpdir(), 'millpond-ini-'));
  writeFileSync(join(folder, 'main.ini'), '[pgbouncer]\n%include more.ini\nmax_client_conn = 5\n');
  writeFileSync(join(folder, 'more.ini'), 'default_pool_size = 3\n[databases]\nx = host=h\n');
  const { values, databases, problems } = loadConfig(join(folder, 'main.ini'));
  // The section of an included file goes on behind it.
  expect(problems).toMatchObject([{ line: 3, message: expect.stringContaining('syntax error in connection string') }]);
  expect({ size: values.default_pool_size, known: databases.has('x') }).toEqual({ size: 3, known: true });
  writeFileSync(join(folder, 'main.ini'), '%include main.ini\n');
  expect(loadConfig(join(folder, 'main.ini')).problems[0]!.message).toContain('include nesting level too deep');
  expect(loadConfig(join(folder, 'absent.ini')).problems[0]!.message).toContain('could not open file');
});

it('shows every setting as it would be written, and reads that again', () => {
  const values = defaults();
  for (const name of SETTING_NAMES) {
    const { kind } = SETTINGS[name];
    expect(values[name], name).toBeDefined();
    expect(parseValue(kind, formatValue(kind, values[name])), name).toEqual(values[name]);
  }
  expect([...SETTING_NAMES].sort()).toEqual([...SETTING_NAMES]);
});

it('reads pairs with quotes, and nothing that is none', () => {
  expect(readPairs("a=1 b = 'x ''y'' z'  c=")).toEqual([['a', '1'], ['b', "x 'y' z"], ['c', '']]);
  for (const text of ['a', "a='x", 'a=b c', '=1', "a='x'y"]) expect(readPairs(text), text).toBeUndefined();
});

it('reads an auth file, and tells broken lines', () => {
  const { secrets, broken } = readAuthFile('"a" "b"\n; comment\n"with ""quote""" "x" ignored\nbroken\n"" "x"\n');
  expect([...secrets]).toEqual([['a', 'b'], ['with "quote"', 'x']]);
  expect(broken).toEqual([4, 5]);
});

it('reads the commands of the console', () => {
  expect(parseCommand(' SHOW pools ; ')).toEqual({ kind: 'command', name: 'show', argument: 'pools' });
  expect(parseCommand('pause "my ""db"""')).toEqual({ kind: 'command', name: 'pause', argument: 'my "db"' });
  expect(parseCommand("SET a = 'it''s'")).toEqual({ kind: 'set', key: 'a', value: "it's" });
  expect(parseCommand('set a to b;')).toEqual({ kind: 'set', key: 'a', value: 'b' });
  for (const text of ['', ';', 'show pools now please', 'show;show', "select '"]) expect(parseCommand(text), text).toBeUndefined();
});
