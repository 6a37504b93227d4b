// Applications as people write them, unchanged, on libraries as they come from npm, with the drop-ins in place of the pools (consumers/).
// Each does its own checks and proves at its end that nothing of it is left at the server.

import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startPostgres, type PostgresServer } from '@millpond/lab/postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consumers, prepare } from './prepare.ts';

const applications = readdirSync(join(consumers, 'apps')).filter((file) => file !== 'lib.mjs').map((file) => file.replace('.mjs', ''));

describe('an application', { timeout: 120_000 }, () => {
  let server: PostgresServer;
  beforeAll(async () => {
    prepare();
    server = await startPostgres();
  }, 600_000);
  afterAll(() => server.stop());

  it.each(applications)('runs unchanged on the drop-ins: %s', async (name) => {
    const env = { ...process.env, DATABASE_URL: server.connectionString };
    const { stdout } = await promisify(execFile)(process.execPath, [`apps/${name}.mjs`], { cwd: consumers, env });
    expect(stdout).toContain('on @millpond/pg-pool and @millpond/tarn');
    expect(stdout).toContain('ok nothing is left at the server');
  });
});
