import { expect, it } from 'vitest';
import { difference, trackedParameters } from '../../../packages/proxy/src/server/parameters.ts';

const map = (values: Record<string, string>): Map<string, string> => new Map(Object.entries(values));

it.each([
  ['nothing where nothing differs', { TimeZone: 'UTC' }, { TimeZone: 'UTC' }, undefined],
  ['nothing of what a server does not report', { search_path: 'x' }, {}, undefined],
  ['encodings are the same whatever their case', { client_encoding: 'utf8' }, { client_encoding: 'UTF8' }, undefined],
  ['one statement for all', { TimeZone: 'UTC', DateStyle: 'ISO' }, { TimeZone: 'GMT', DateStyle: 'German' },
    "SET TimeZone='UTC';SET DateStyle='ISO'"],
  ['quotes', { application_name: "it's" }, { application_name: '' }, "SET application_name='it''s'"],
  ['backslashes', { application_name: "a\\'b" }, { application_name: '' }, "SET application_name=E'a\\\\''b'"],
  ['lists of names as they were told', { search_path: '"$user", public' }, { search_path: 'public' },
    "SELECT pg_catalog.set_config('search_path','\"$user\", public',false)"],
])('tells a server what it is missing: %s', (_, wanted, actual, sql) => {
  expect(difference(map(wanted), map(actual as Record<string, string>))).toBe(sql);
});

it('tracks what every server reports and what is named besides', () => {
  expect(trackedParameters(['Search_Path']).get('search_path')).toBe('Search_Path');
  expect(trackedParameters([]).get('timezone')).toBe('TimeZone');
});
