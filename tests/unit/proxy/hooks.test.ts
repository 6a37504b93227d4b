// The module that the setting `hooks` names.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { defaults } from '../../../packages/proxy/src/config/settings.ts';
import { loadHooks, type Hooks } from '../../../packages/proxy/src/hooks.ts';

const folder = mkdtempSync(join(tmpdir(), 'millpond-hooks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Loads a module of this text, named as in a file that lies beside it. */
function load(name: string, text: string): Promise<Hooks> {
  writeFileSync(join(folder, name), text);
  return loadHooks({ ...defaults(), hooks: name, conffile: join(folder, 'pgbouncer.ini') });
}

it('may export hooks one by one, or as one', async () => {
  const named = await load('named.mjs', 'export const route = () => "other"; export const unrelated = 1;');
  expect(named.route?.({} as never)).toBe('other');
  const whole = await load('whole.mjs', 'export default { name: "x", authenticate() { return this.name === "x"; } };');
  expect(whole.authenticate?.({} as never)).toBe(true);
  expect(await loadHooks(defaults())).toEqual({});
});

it('is refused when it is not there, has no hooks, or something else under their names', async () => {
  await expect(loadHooks({ ...defaults(), hooks: join(folder, 'none.mjs') })).rejects.toThrow(/^could not load hooks from .*none\.mjs: /);
  await expect(load('broken.mjs', 'export const = 1')).rejects.toThrow('could not load hooks from');
  await expect(load('empty.mjs', 'export const root = 1;')).rejects.toThrow('exports none of authenticate, route, observe');
  await expect(load('odd.mjs', 'export const route = "main";')).rejects.toThrow(/^route of .*odd\.mjs is no function$/);
});
