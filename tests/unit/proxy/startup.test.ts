import { describe, expect, it } from 'vitest';
import { readWishes, type StartupRules } from '../../../packages/proxy/src/client/startup.ts';
import { trackedParameters } from '../../../packages/proxy/src/server/parameters.ts';

const rules: StartupRules = { tracked: trackedParameters(['IntervalStyle']), ignored: ['extra_float_digits'], addedHost: undefined };
const read = (asked: Record<string, string>, more: Partial<StartupRules> = {}): ReturnType<typeof readWishes> =>
  readWishes(new Map(Object.entries(asked)), { ...rules, ...more });

describe('options', () => {
  it.each([
    ['-c timezone=Portugal', { TimeZone: 'Portugal' }],
    ['  -c    datestyle=German,\\ YMD', { DateStyle: 'German, YMD' }],
    ['-ctimezone=UTC -cintervalstyle=iso_8601', { TimeZone: 'UTC', IntervalStyle: 'iso_8601' }],
    ['--timezone=UTC', { TimeZone: 'UTC' }],
    ['-c t\\imezone=\\U\\T\\C', { TimeZone: 'UTC' }],
    ['-c extra_float_digits=2', {}],
    ['', {}],
  ])('%j', (options, wanted) => {
    expect(Object.fromEntries(read({ user: 'a', options }).parameters)).toEqual(wanted);
  });

  it.each([
    ['-d', "only '-c config=val' and '--config=val' are allowed"],
    ['-c timezone', "only '-c config=val' and '--config=val' are allowed"],
    ['-c work_mem=1MB', 'unsupported startup parameter in options: work_mem'],
  ])('%j is refused', (options, words) => {
    expect(() => read({ user: 'a', options })).toThrow(words);
  });

  it('may be ignored as far as they are not known', () => {
    const { parameters } = read({ options: '-c work_mem=1MB -c timezone=UTC' }, { ignored: ['options'] });
    expect(Object.fromEntries(parameters)).toEqual({ TimeZone: 'UTC' });
  });
});

it('refuses parameters that cannot follow a client', () => {
  expect(() => read({ work_mem: '1MB' })).toThrow('unsupported startup parameter: work_mem');
});

it('adds the host to the name of the application, and names what has no name', () => {
  const addedHost = '10.0.0.1:5000';
  expect(read({ application_name: 'shop' }, { addedHost }).parameters.get('application_name')).toBe('shop - 10.0.0.1:5000');
  expect(read({}, { addedHost }).parameters.get('application_name')).toBe('app - 10.0.0.1:5000');
});

it.each([['database', true], ['true', true], ['on', true], ['1', true], ['no', false], ['off', false], ['0', false]])(
  'takes replication=%s for what it is', (replication, wanted) => {
    expect(read({ replication }).replication !== undefined).toBe(wanted);
  },
);

it('gives a walsender its options as they are', () => {
  const { replication } = read({ user: 'a', replication: 'database', options: '-c enable_seqscan=off', application_name: 'x' });
  expect(Object.fromEntries(replication!.parameters)).toEqual({
    replication: 'database', options: '-c enable_seqscan=off', application_name: 'x',
  });
});
