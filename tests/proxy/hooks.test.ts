// Hooks of the command line: a module beside the configuration.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from './bouncer.ts';
import { build, startProcess } from './support/process.ts';
import { WireClient } from './support/wire-client.ts';

const CLI = fileURLToPath(new URL('../../packages/proxy/dist/cli.js', import.meta.url));

let server: PostgresServer;
let folder: string;
beforeAll(async () => {
  build();
  server = await startPostgres();
  folder = mkdtempSync(join(tmpdir(), 'millpond-hooks-'));
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

it('are loaded from the module that the configuration names, and decide', async () => {
  writeFileSync(join(folder, 'hooks.mjs'), `
    export const authenticate = ({ applicationName }) => (applicationName === 'unwanted' ? false : undefined);
    export const route = ({ database }) => (database === 'shop' ? 'main' : undefined);
  `);
  const { child, place } = await startProcess(server, folder, ['hooks = hooks.mjs']);
  try {
    const client = await WireClient.connect({ ...place, database: 'shop' });
    await client.vanish();
    await expect(WireClient.connect({ ...place, parameters: { application_name: 'unwanted' } }))
      .rejects.toThrow('password authentication failed');
  } finally {
    child.kill('SIGQUIT');
  }
});

it('that cannot be loaded keep the proxy from starting, and it says why', () => {
  const file = join(folder, 'broken.ini');
  writeFileSync(file, '[databases]\nmain = host=127.0.0.1\n[pgbouncer]\nunix_socket_dir =\nhooks = nowhere.mjs\n');
  const { status, stderr } = spawnSync(process.execPath, [CLI, file], { encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr).toMatch(/^millpond-proxy: could not load hooks from .*nowhere\.mjs: /);
});
