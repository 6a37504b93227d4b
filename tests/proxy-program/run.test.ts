// `npm run proxy` as a newcomer runs it: a real server, the proxy in front of it, clients, and nothing left behind.
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildLab, processesOf, startProgram, type Started } from '../support/lab-program.ts';

const start = (temporary: string, ...args: string[]): Started => startProgram('proxy/main.js', temporary, ...args);

async function ask(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('npm run proxy', () => {
  let temporary: string;

  beforeAll(buildLab);

  beforeEach(() => {
    temporary = mkdtempSync(join(tmpdir(), 'proxy-test-'));
    chmodSync(temporary, 0o755); // a server that may not run as root runs as somebody who has to get in
  });

  afterEach(() => rmSync(temporary, { recursive: true, force: true }));

  it('with --for sends clients through, shows the console\'s figures, ends with 0 and leaves nothing', async () => {
    const { code, out, err } = await start(temporary, '--for', '2s', '--clients', '50', '--servers', '3').ended;
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(out).not.toContain('\u001b');
    expect(out).toMatch(/^ +database +user +cl_active +cl_waiting +sv_active +sv_idle +maxwait +pool_mode$/m);
    expect(out).toMatch(/^ +postgres +postgres +\d+ +\d+ +[0-3] +[0-3] +\d+ +transaction$/m);
    expect(out).toMatch(/^ +database +total_xact_count +total_query_count/m);
    expect(out).toMatch(/50\sclients over 3\sserver connections got [\d\s]+answers? in .*; no error\./);
    expect(readdirSync(temporary)).toEqual([]);
    expect(processesOf(temporary)).toEqual([]);
  });

  it('says how to get to the database, the console and the metrics; Ctrl-C cleans up', async () => {
    const running = start(temporary);
    const out = await running.said('Ctrl-C ends it.');
    const [client = '', admin = ''] = out.match(/postgres:\/\/\S+/g) ?? [];
    expect(await ask(client, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(await ask(admin, 'SHOW POOLS')).toContainEqual(expect.objectContaining({ database: 'postgres', pool_mode: 'transaction' }));
    const metrics = await fetch(/http:\/\/\S+/.exec(out)![0]);
    expect(await metrics.text()).toContain('pgbouncer_pools_server_idle_connections');
    running.child.kill('SIGINT');
    expect(await running.ended).toMatchObject({ code: 130, err: '\nSIGINT: cleaning up\n' });
    expect(readdirSync(temporary)).toEqual([]);
    expect(processesOf(temporary)).toEqual([]);
  });

  it('says what it can do, and what is wrong with what was asked', async () => {
    const help = await start(temporary, '--help').ended;
    expect(help).toMatchObject({ code: 0, err: '' });
    for (const option of ['--port', '--servers', '--for', '--clients', '--ascii']) expect(help.out).toContain(option);
    expect(await start(temporary, '--servers', '0').ended).toMatchObject({ code: 2, err: expect.stringContaining('--servers') as string });
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const taken = await start(temporary, '--port', String(port)).ended;
    other.close();
    expect(taken).toMatchObject({ code: 2, err: expect.stringContaining(`Port ${port} is taken.`) as string });
    expect(readdirSync(temporary)).toEqual([]);
  });
});
