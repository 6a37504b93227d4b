// docs/reference/proxy-console.md has a heading for every command, and a line for every column, in the order in which they come.

import { readFileSync } from 'node:fs';
import { createProxy } from '@millpond/proxy';
import { expect, it } from 'vitest';
import { COMMANDS, SHOWS } from '../../../packages/proxy/src/admin/commands.ts';
import { CommandError, type Answer } from '../../../packages/proxy/src/admin/table.ts';

const page = readFileSync(new URL('../../../docs/reference/proxy-console.md', import.meta.url), 'utf8');

/** By what stands behind `## `, the text below it. */
const sections = new Map(page.split(/^## /m).slice(1).map((section) => {
  const end = section.indexOf('\n');
  return [section.slice(1, end - 1), section.slice(end)] as const;
}));

function columnsOf(section: string | undefined): string[] {
  return (section ?? '').split('\n').filter((line) => line.startsWith('| `'))
    .flatMap((line) => [...line.split('|')[1]!.matchAll(/`(\w+)`/g)].map((match) => match[1]!));
}

/** Undefined: it cannot be shown, or is no table. */
function shown(ask: () => Answer): string[] | undefined {
  try {
    return ask().table?.columns.map(([name]) => name);
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}

it('has every command and no other', () => {
  const commands = [...SHOWS.keys()].map((name) => `SHOW ${name.toUpperCase()}`);
  commands.push(...[...COMMANDS.keys()].map((name) => name.toUpperCase()), 'SET');
  const told = [...sections.keys()].map((heading) => (heading.startsWith('SHOW ') ? heading : heading.split(' ')[0]!));
  expect(told.sort()).toEqual(commands.sort());
});

it('has every column', async () => {
  await using embedded = await createProxy({});
  const ofClients = columnsOf(sections.get('SHOW CLIENTS'));
  for (const [name, show] of SHOWS) {
    const told = columnsOf(sections.get(`SHOW ${name.toUpperCase()}`));
    const also = name === 'sockets' || name === 'servers' ? ofClients : [];
    const expected = name === 'active_sockets' ? [...ofClients, ...columnsOf(sections.get('SHOW SOCKETS'))] : [...also, ...told];
    expect(expected, name).toEqual(shown(() => show(embedded.proxy)) ?? []);
  }
});
