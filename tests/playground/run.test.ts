// `npm start` as a newcomer runs it. Shorter, but all of it: a real server, the users, the page, the sizes, and nothing left behind.
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildLab, processesOf, startProgram, type Started } from '../support/lab-program.ts';

const start = (temporary: string, ...args: string[]): Started => startProgram('playground/main.js', temporary, ...args);

describe('npm start', () => {
  let temporary: string;

  beforeAll(buildLab);

  beforeEach(() => {
    temporary = mkdtempSync(join(tmpdir(), 'playground-test-'));
    chmodSync(temporary, 0o755); // a server that may not run as root runs as somebody who has to get in
  });

  afterEach(() => rmSync(temporary, { recursive: true, force: true }));

  it('with --for runs by itself, says what it saw, ends with 0 and leaves nothing', async () => {
    const { code, out, err } = await start(temporary, '--for', '3s', '--users', '50').ended;
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(out).not.toContain('\u001b');
    expect(out).toMatch(/Open http:\/\/127\.0\.0\.1:\d+\//);
    expect(out).toMatch(/50\susers on \d+\scores? got [\d\s]+answers? to "POST \/orders"; no error\./);
    expect(out).toMatch(/^pool +answers\/s +p99 +waiting in the pool +at a connection +database CPU\/answer +this program$/m);
    expect(out).toMatch(/^ +10 {2}/m);
    expect(readdirSync(temporary)).toEqual([]);
    expect(processesOf(temporary)).toEqual([]);
  });

  it('with --quiet says where the page is; Ctrl-C under load cleans up', async () => {
    const running = start(temporary, '--quiet', '--users', '30');
    await running.said('/\n');
    expect(processesOf(temporary).length).toBeGreaterThan(0);
    running.child.kill('SIGINT');
    const { code, out, err } = await running.ended;
    expect(out).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\n$/);
    expect(err).toBe('\nSIGINT: cleaning up\n');
    expect(code).toBe(130);
    expect(readdirSync(temporary)).toEqual([]);
    expect(processesOf(temporary)).toEqual([]);
  });

  it('cleans up after a signal that comes while the database is frozen and somebody watches', async () => {
    const running = start(temporary, '--quiet', '--users', '30');
    const url = (await running.said('/\n')).trim();
    const watching = await fetch(`${url}events`);
    await fetch(`${url}acts/freeze`, { method: 'POST' });
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(143);
    await expect(watching.text()).rejects.toThrow();
    expect(readdirSync(temporary)).toEqual([]);
    expect(processesOf(temporary)).toEqual([]);
  });

  it('says what it can do, and what is wrong with what was asked', async () => {
    const help = await start(temporary, '--help').ended;
    expect(help).toMatchObject({ code: 0, err: '' });
    for (const option of ['--port', '--users', '--for', '--quiet', '--ascii']) expect(help.out).toContain(option);
    expect(await start(temporary, '--for', 'ever').ended).toMatchObject({
      code: 2, out: '', err: expect.stringContaining('--for takes a time from 1s to 60m, such as 20s, not "ever".') as string,
    });
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const taken = await start(temporary, '--port', String(port)).ended;
    other.close();
    expect(taken.code).toBe(2);
    expect(taken.err).toContain(`Port ${port} is taken.`);
    expect(readdirSync(temporary)).toEqual([]);
  });
});
