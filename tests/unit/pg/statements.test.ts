// What may share a connection, and what is worth preparing.

import { describe, expect, it, vi } from 'vitest';
import { isShareable, PreparedStatements, PreparePolicy } from '../../../packages/millpond/src/adapters/pg/statements.ts';

describe('a text that may share a connection', () => {
  it.each([
    'SELECT 1', 'select 1;', '  \n\tSELECT 1 ;\n', '(SELECT 1) UNION (SELECT 2)', '( ( select 1 ) )',
    'WITH a AS (SELECT 1) SELECT * FROM a',
    'INSERT INTO t VALUES (1)', 'Update t SET a = 1', 'DELETE FROM t', 'VALUES (1), (2)', 'TABLE t',
    'MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE',
    '-- a comment\nSELECT 1', '/* tag: x */ SELECT 1', '/* ** */\n--\n  /**/ SELECT 1', 'SELECT 1 -- at the end', "SELECT 'BEGIN'",
  ])('is one query or one change of data: %j', (text) => expect(isShareable(text)).toBe(true));

  it.each([
    '', ' ', '-- nothing', 'BEGIN', 'begin;', 'COMMIT', 'ROLLBACK', 'START TRANSACTION', 'SAVEPOINT a', 'SET a = 1', 'RESET ALL', 'SHOW a',
    'LISTEN a', 'COPY t TO STDOUT',
    'CALL p()', 'DO $$ BEGIN END $$', 'DECLARE c CURSOR FOR SELECT 1', 'PREPARE a AS SELECT 1', 'EXECUTE a', 'LOCK t',
    'CREATE TEMP TABLE t (a int)', 'DISCARD ALL',
    'EXPLAIN SELECT 1', 'SELECT 1; BEGIN', 'SELECT 1; SELECT 2', "SELECT ';'", 'SELECT 1; -- no more', 'selected', 'SELECT1', 'SELECTION',
    '/* a /* b */ SELECT 1 */ BEGIN', '/* a /* SELECT */ */ BEGIN', '/* not closed SELECT 1', '-- SELECT 1', '/* SELECT 1 */',
    '/*/ SELECT 1 */ BEGIN', '/**/ BEGIN',
  ])('is nothing else, and nothing that is in doubt: %j', (text) => expect(isShareable(text)).toBe(false));

  it('is found in time that grows with its length alone', () => {
    for (const part of ['/*', '/* */ ', '(', '-- \n', ' ', '*', '/', '/**', '-']) {
      expect(isShareable(`${part.repeat(100_000)}BEGIN`)).toBe(false);
      expect(isShareable(`/${part.repeat(100_000)}BEGIN`)).toBe(false);
    }
  });
});

describe('the texts of a pool', () => {
  it('recur when they have run before, a thousand others ago at the most', () => {
    const policy = new PreparePolicy(10, () => 'pool');
    expect(policy.recurs('a')).toBe(false);
    policy.ran('a');
    expect(policy.recurs('a')).toBe(true);
    for (let i = 0; i < 1_000; i++) policy.ran(`other ${i}`);
    expect(policy.recurs('a')).toBe(true);
    for (let i = 0; i < 1_000; i++) policy.ran(`another ${i}`);
    expect(policy.recurs('a')).toBe(false);
  });

  it('are forgotten when they are longer than anything that a person writes', () => {
    const policy = new PreparePolicy(10, () => 'pool');
    const long = `SELECT ${'1, '.repeat(5_000)} 1`;
    policy.ran(long);
    expect(policy.recurs(long)).toBe(false);
  });

  it('are not even noted when none is prepared', () => {
    const policy = new PreparePolicy(0, () => 'pool');
    policy.ran('a');
    expect(policy.recurs('a')).toBe(false);
  });

  it('are prepared no more when more than a twentieth is lost, and not because of a few', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const policy = new PreparePolicy(10, () => 'orders');
    for (let i = 0; i < 1_000; i++) policy.executed();
    for (let i = 0; i < 49; i++) policy.lost();
    expect(policy.limit).toBe(10);
    policy.lost();
    expect(policy.limit).toBe(0);
    policy.lost();
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]![0]).toMatch(/"orders"/);
    warn.mockRestore();
  });
});

describe('what is prepared on a connection', () => {
  it('makes room by giving up the least recently used', () => {
    const all = new PreparedStatements(2);
    const gone: string[] = [];
    const add = (text: string): void => void all.add(text, ({ text: evicted }) => gone.push(evicted));
    add('a');
    add('b');
    all.find('a');
    add('c');
    expect(gone).toEqual(['b']);
    expect(all.find('b')).toBeUndefined();
    expect(all.find('a')).toBeDefined();
  });

  it('is replaced under its name, once for all that find it lost', () => {
    const all = new PreparedStatements(2);
    const first = all.add('a', () => undefined);
    first.sent = true;
    all.replace(first);
    const second = all.find('a')!;
    expect(second).toMatchObject({ name: first.name, replaces: true, sent: false });
    all.replace(first);
    expect(all.find('a')).toBe(second);
  });
});
