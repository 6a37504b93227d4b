// The demos about one kind of connection, built and run as a newcomer runs them, as short as they can be: from the first line to the exit
// code, with the fault and the healing.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { redisVersion } from '@millpond/lab/redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mariadbIsThere } from '../support/mariadb.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = join(ROOT, 'lab/dist/demo/main.js');

function redisIsThere(): boolean {
  if (redisVersion() !== undefined) return true;
  const message = 'Redis (redis-server) is not on this machine: the test of its demo is left out.';
  if (process.env['CI'] === 'true') throw new Error(`${message} In CI it must be there.`);
  process.stderr.write(`\n!!! ${message}\n\n`);
  return false;
}

function demo(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number | null; out: string; err: string }> {
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...usual } = process.env;
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: ROOT, env: { ...usual, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => { text.out += chunk; });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => { text.err += chunk; });
  return new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (code) => { resolve({ code, ...text }); });
  });
}

/** The rows of an act's table: the cells by the heads of their columns, by strategy. */
function tableOf(out: string, act: 1 | 2): Map<string, Record<string, string>> {
  const lines = out.slice(out.indexOf(`Act ${act}:`)).split('\n');
  const from = lines.findIndex((line) => line.startsWith('strategy '));
  const [, ...heads] = lines[from]!.split(/ {2,}/);
  const rows = lines.slice(from + 2, lines.findIndex((line, index) => index > from && !/ {2,}\S/.test(line) && !/^[─-]+$/.test(line)));
  return new Map(rows.map((line) => {
    const [name = '', ...cells] = line.split(/ {2,}/);
    return [name, Object.fromEntries(heads.map((head, index) => [head, cells[index]!]))];
  }));
}

const numberOf = (text: string | undefined): number => Number(text?.replaceAll(/\s/g, ''));

describe('a demo about one kind of connection', () => {
  let temporary: string;

  beforeAll(() => {
    const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
    const { status, stdout } = spawnSync(process.execPath, [compiler, '-b', 'lab'], { cwd: ROOT, encoding: 'utf8' });
    if (status !== 0) throw new Error(`The demo does not compile:\n${stdout}`);
    temporary = mkdtempSync(join(tmpdir(), 'demo-test-'));
  });
  afterAll(() => rmSync(temporary, { recursive: true, force: true }));

  it.each([
    { kind: 'redis', ours: 'millpond/redis on node-redis', there: redisIsThere, moments: ['frozen (SIGSTOP)', 'goes on'] },
    { kind: 'mysql', ours: 'millpond/mysql', there: mariadbIsThere, moments: ['connections KILLed'] },
    { kind: 'tcp', ours: 'millpond/tcp', there: () => true, moments: [] },
    { kind: 'http', ours: 'node:http, millpond/http', there: () => true, moments: ['closes idle ones'] },
  ])('$kind: shows three ways, the fault and the healing, and ends with exit code 0', async ({ kind, ours, there, moments }) => {
    if (!there()) return;
    const short = ['--quick', '--users', '20', '--seconds', '0.2'];
    const { code, out, err } = await demo([kind, ...short], kind === 'redis' ? { TMPDIR: temporary } : {});
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(out).not.toContain('\u001b');

    const first = tableOf(out, 1);
    expect(first.size).toBe(3);
    for (const row of first.values()) expect(numberOf(row['answers/s']), JSON.stringify(row)).toBeGreaterThan(0);
    expect(numberOf(first.get(ours)?.['errors'])).toBe(0);
    expect(numberOf(first.get(ours)?.['connects'])).toBeLessThanOrEqual(10);

    const second = tableOf(out, 2);
    expect(second.size).toBe(2);
    expect(second.get(ours)?.['back after']).not.toBe('not seen');
    for (const words of [...moments, 'killed (SIGKILL)', 'started again']) expect(out.split(`▲ ${words} at `)).toHaveLength(3);
    expect(out).toContain('What this run showed');
    expect(out).toContain('the server is gone');
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('fleet: shows three ways to share, permits that follow the load, and what becomes of a killed process\'s', async () => {
    if (!redisIsThere()) return;
    const { code, out, err } = await demo(['fleet', '--quick']);
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(out).not.toContain('\u001b');
    const ways = out.slice(out.indexOf('each process has')).split('\n').slice(2, 5).map((line) => line.split(/ {2,}/));
    expect(ways.map(([name]) => name)).toEqual(['pg.Pool, max 10', 'pg.Pool, max 2 (an equal part)', 'millpond/pg and one budget']);
    const [, served, refused, , , , most] = ways[2]!;
    expect(parseInt(served!, 10)).toBeGreaterThan(0);
    expect(numberOf(refused)).toBe(0);
    expect(numberOf(most)).toBeLessThanOrEqual(8);
    // A row for each process, in both acts.
    for (let process = 1; process <= 4; process++) expect(out.match(new RegExp(`^orders-${process} `, 'gm'))).toHaveLength(2);
    for (const words of ['the load moves', 'is killed', 'others have its permits']) expect(out).toMatch(new RegExp(`▲ .*${words} at `));
    expect(out).toContain('What this run showed');
    expect(out).toContain('servers and processes are gone');
  });

  it('says what to install where the server is missing, with an exit code of its own', async () => {
    const { code, out, err } = await demo(['redis'], { PATH: temporary });
    expect({ code, out }).toEqual({ code: 69, out: '' });
    expect(err).toContain('private Redis');
    expect(err).toContain('apt-get install redis-server');
  });

  it('knows its kinds and their options', async () => {
    const help = await demo(['redis', '--help']);
    expect(help).toMatchObject({ code: 0, err: '' });
    for (const name of ['postgres', 'redis', 'mysql', 'tcp', 'http', 'fleet']) expect(help.out).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect(await demo(['oracle'])).toMatchObject({ code: 2, err: expect.stringContaining('There is no demo "oracle".') as string });
    expect(await demo(['tcp', '--html', 'x'])).toMatchObject({ code: 2, err: expect.stringContaining('--html is for') as string });
    expect(await demo(['fleet', '--users', '3'])).toMatchObject({ code: 2, err: expect.stringContaining('--users is not for') as string });
  });
});
