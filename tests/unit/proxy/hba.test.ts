import { expect, it } from 'vitest';
import { isWithin, plainAddress, rangeOf } from '../../../packages/proxy/src/config/addresses.ts';
import { findRule, mayBe, readHba, readIdent, type Asking, type HbaRule } from '../../../packages/proxy/src/config/hba.ts';

const FILES: Readonly<Record<string, string>> = {
  '/etc/pool/names': 'anna, "ber ta"\n# nobody\ncarl\n', '/etc/pool/nested': '@names',
};
const read = (file: string): string => {
  const text = FILES[file];
  if (text === undefined) throw new Error('no such file');
  return text;
};
const { maps } = readIdent('/etc/pool/ident', 'certs bob@example.org bob\ncerts "carol x" all\n');
const hba = (text: string, peer = true): ReturnType<typeof readHba> => readHba('/etc/pool/hba', text, { maps, peer, read });

const RULES = `
# a comment, and lines of blanks
   \t
local   dbp        all                         peer
local   all        userp                       password   # behind a line
local   all        all                         md5
hostssl all        all     10.0.0.0/8          cert
hostnossl all      all     11.0.0.0/8          scram-sha-256
host    all        all     127.0.0.0 255.255.255.0   password
host    db1,db2    all     15.0.0.0/8          md5
host    all        u1, u2 ,u3  16.0.0.0/8      md5
host    "all"      "all"   19.0.0.0/8          trust
host    "q1""q2"   "a , b" 19.0.0.0/8          cert
host    sameuser   all     20.0.0.0/8          trust
host    filed      @names  21.0.0.0/8          trust
host    mdb        all     199.199.199.199/32  trust
host    mdb        all     ff20::/12           md5
host    mdb        all     ::1/128             trust
host    mdb        all     fe80::  ffff::      reject
host    any        all     all                 trust
host    any        all     0.0.0.0/0           reject
host    replication  admin ::1/128             trust
host    db3,replication admin2 ::1/128         trust
`;
const { rules, problems } = hba(RULES);

const asks = (address: string, database: string, user: string, more: Partial<Asking> = {}): Asking => ({
  address, database, user, tls: false, replication: false, ...more,
});

it('reads a file without complaints', () => {
  expect(problems).toEqual([]);
  expect(rules).toHaveLength(20);
});

it.each<readonly [asking: Asking, method: string | undefined]>([
  [asks('unix', 'dbp', 'x'), 'peer'], [asks('unix', 'x', 'userp'), 'plain'], [asks('unix', 'x', 'x'), 'md5'],
  [asks('10.1.1.1', 'x', 'x', { tls: true }), 'cert'], [asks('10.1.1.1', 'x', 'x'), undefined],
  [asks('11.1.1.1', 'x', 'x'), 'scram-sha-256'], [asks('11.1.1.1', 'x', 'x', { tls: true }), undefined],
  [asks('127.0.0.2', 'x', 'x'), 'plain'], [asks('::ffff:127.0.0.2', 'x', 'x'), 'plain'], [asks('127.0.1.2', 'x', 'x'), undefined],
  [asks('15.0.0.1', 'db2', 'x'), 'md5'], [asks('15.0.0.1', 'db3', 'x'), undefined],
  [asks('16.0.0.1', 'x', 'u2'), 'md5'], [asks('16.0.0.1', 'x', 'u3'), 'md5'], [asks('16.0.0.1', 'x', 'u4'), undefined],
  // What stands in quotes is a name.
  [asks('19.0.0.1', 'all', 'all'), 'trust'], [asks('19.0.0.1', 'x', 'all'), undefined], [asks('19.0.0.1', 'q1"q2', 'a , b'), 'cert'],
  [asks('20.0.0.1', 'anna', 'anna'), 'trust'], [asks('20.0.0.1', 'anna', 'carl'), undefined],
  [asks('21.0.0.1', 'filed', 'ber ta'), 'trust'], [asks('21.0.0.1', 'filed', 'carl'), 'trust'], [asks('21.0.0.1', 'filed', 'nobody'), undefined],
  [asks('199.199.199.199', 'mdb', 'x'), 'trust'], [asks('199.199.199.198', 'mdb', 'x'), undefined],
  [asks('ff22:3::1', 'mdb', 'x'), 'md5'], [asks('::1', 'mdb', 'x'), 'trust'], [asks('::2', 'mdb', 'x'), undefined],
  [asks('fe80::1%eth0', 'mdb', 'x'), 'reject'],
  // The first that fits counts.
  [asks('1.2.3.4', 'any', 'x'), 'trust'], [asks('face::1', 'any', 'x'), 'trust'],
  // Replication of the whole server is no database, and `all` does not mean it.
  [asks('::1', 'any', 'admin', { replication: true }), 'trust'], [asks('::1', 'any', 'x', { replication: true }), undefined],
  [asks('::1', 'replication', 'admin'), undefined], [asks('::1', 'db3', 'admin2'), 'trust'],
])('finds the line for %j', (asking, method) => {
  expect(findRule(rules, asking)?.method).toBe(method);
});

it.each([
  ['remote all all 1.2.3.4/32 trust', 'unknown type: remote'],
  ['host all', 'no user'],
  ['host', 'no database'],
  ['host all, all 1.2.3.4/32 trust', 'not an address: trust'],
  ['host all all trust', 'not an address: trust'],
  ['host all all 1.2.3.4/33 trust', 'not a mask: 33'],
  ['host all all 1.2.3.4 trust', 'not a mask: trust'],
  ['host all all 1.2.3.4 ffff:: trust', 'not a mask: ffff::'],
  ['host all all 1.2.3.4/8 trust', 'address 1.2.3.4 has bits that its mask 8 leaves out'],
  ['host all all example.org trust', 'not an address: example.org'],
  ['host all all all', 'no method'],
  ['host all all all magic', 'unknown method: magic'],
  ['host all all all cert map=nobody', 'ident map nobody is not in auth_ident_file'],
  ['host all all all cert clientcert=1', 'unsupported parameters: clientcert=1'],
  ['host all all all trust trust', 'unsupported parameters: trust'],
  ['host all +group all trust', 'membership in roles is not known here: +group'],
  ['host samerole all all trust', 'membership in roles is not known here: samerole'],
  ['host all "open all trust', 'a quote that does not end'],
  ['host all @nowhere all trust', 'could not open /etc/pool/nowhere: no such file'],
  ['host all @nested all trust', '/etc/pool/nested names another file'],
])('leaves out %j and says why and where, and reads on', (line, message) => {
  const found = hba(`\n${line}\nhost all all all reject\n`);
  expect(found.problems).toHaveLength(1);
  expect(found.problems[0]).toMatchObject({ file: '/etc/pool/hba', line: 2 });
  expect(found.problems[0]!.message).toContain(message);
  expect(found.problems[0]!.message).toContain('the line is left out');
  expect(found.rules.map(({ method }) => method)).toEqual(['reject']);
});

it.each(['ldap ldapserver=x ldapprefix="cn="', 'pam', 'gss', 'ident', 'radius'])(
  'turns away whoever a line with the method %s covers, as the lines behind it are not meant for them', (method) => {
    const found = hba(`host all all 1.0.0.0/8 ${method}\nhost all all all trust\n`);
    expect(found.problems).toMatchObject([{ line: 1, message: expect.stringContaining('is not supported') as unknown }]);
    expect(findRule(found.rules, asks('1.2.3.4', 'x', 'x'))?.method).toBe('reject');
    expect(findRule(found.rules, asks('2.2.3.4', 'x', 'x'))?.method).toBe('trust');
  });

it('turns away whoever a line with peer covers, where nobody knows who is at the other end', () => {
  const found = hba('local all all peer\nlocal all all trust\n', false);
  expect(found.problems).toMatchObject([{ line: 1, message: expect.stringContaining('only the user of this process can reach') as unknown }]);
  expect(findRule(found.rules, asks('unix', 'x', 'x'))?.method).toBe('reject');
});

it('reads ident maps, and lets names of certificates be users by them', () => {
  const [rule] = hba('hostssl all all all cert map=certs').rules as [HbaRule];
  expect(mayBe('bob@example.org', 'bob', rule.map)).toBe(true);
  expect(mayBe('bob@example.org', 'carol', rule.map)).toBe(false);
  expect(mayBe('bob', 'bob', rule.map)).toBe(false);
  expect(mayBe('carol x', 'anybody', rule.map)).toBe(true);
  expect(mayBe('bob', 'bob', undefined)).toBe(true);
  expect(mayBe('bob', 'bobby', undefined)).toBe(false);
});

it.each(['just two', 'm /^(.*)@x$ \\1', 'm a b c', 'm a, b'])('leaves out the line %j of an ident file', (line) => {
  const found = readIdent('ident', `${line}\nm a "all"\n`);
  expect(found.problems).toMatchObject([{ file: 'ident', line: 1 }]);
  // In quotes it is the name of a user.
  expect(found.maps.get('m')?.mappings).toEqual([{ systemUser: 'a', user: 'all' }]);
});

it.each([
  ['1.2.3.0', '24', '1.2.3.255', true], ['1.2.3.0', '24', '1.2.4.0', false], ['0.0.0.0', '0', '255.1.2.3', true],
  ['0.0.0.0', '0', '::1', false], ['::', '0', '1.2.3.4', false], ['::', '0', 'ff::1', true],
  ['1:2:3:4:5:6:7:8', '128', '1:2:3:4:5:6:7:8', true], ['1:2::7:8', '128', '1:2:0:0:0:0:7:8', true],
  ['64:ff9b::1.2.3.4', '128', '64:ff9b::102:304', true], ['1.0.0.0', '255.0.255.0', '1.77.0.9', true],
])('has in %s/%s the address %s: %s', (address, mask, asked, within) => {
  const range = rangeOf(address, mask);
  if (typeof range === 'string') throw new Error(range);
  expect(isWithin(asked, range)).toBe(within);
});

it('writes an IPv4 client of a socket for both as an IPv4 client', () => {
  expect(plainAddress('::ffff:10.0.0.1')).toBe('10.0.0.1');
  expect(plainAddress('fe80::1')).toBe('fe80::1');
});
