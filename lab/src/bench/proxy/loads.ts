// The loads of this chapter: pgbench and psql as they come with PostgreSQL, held against what the pooler used meanwhile. What is counted
// begins with the first line of progress that pgbench writes, so that connecting is not in it, unless connecting is what the load is about.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { cpuMsOf } from './cpu.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Of the pooler; undefined: there is none. */
  readonly pid: number | undefined;
}

export interface Load {
  readonly clients: number;
  readonly args: readonly string[];
  readonly tls?: boolean;
}

export interface Measured {
  /** Transactions or, of a COPY, megabytes. */
  readonly perSecond: number;
  /** CPU of the pooler for each; NaN without one. */
  readonly cpuUs: number;
}

interface Moment {
  readonly atMs: number;
  readonly cpuMs: number;
}

const PLACES = ['/usr/lib/postgresql/15/bin', '/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'];
const PROGRESS = /^progress: ([\d.]+) s, ([\d.]+) tps/;
const PROCESSED = /^number of transactions actually processed: (\d+)/;

/** One of PostgreSQL's client programs; undefined: this machine does not have it. */
export function clientProgram(name: 'pgbench' | 'psql'): string | undefined {
  return PLACES.map((folder) => `${folder}/${name}`).find((path) => existsSync(path));
}

/** One round. Rejects with what pgbench says when it fails. */
export function pgbench(target: Target, { clients, args, tls }: Load, seconds: number, signal: AbortSignal): Promise<Measured> {
  const child = spawn(clientProgram('pgbench')!, [
    '-n', '-c', String(clients), '-j', String(Math.min(2, clients)), '-T', String(seconds), '-P', '1', ...args, target.database,
  ], { env: environment(target, tls), stdio: ['ignore', 'pipe', 'pipe'], signal });
  const words: string[] = [];
  const now = (): Moment => ({ atMs: performance.now(), cpuMs: target.pid === undefined ? NaN : cpuMsOf(target.pid) });
  let from: (Moment & { readonly transactions: number }) | undefined;
  let to: (Moment & { readonly transactions: number }) | undefined;
  createInterface({ input: child.stderr }).on('line', (line) => {
    const [, seconds, tps] = PROGRESS.exec(line) ?? [];
    if (tps === undefined) words.push(line);
    else from ??= { ...now(), transactions: Number(seconds) * Number(tps) };
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const all = PROCESSED.exec(line)?.[1];
    if (all !== undefined) to = { ...now(), transactions: Number(all) };
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code !== 0) reject(new Error(`pgbench ended with ${code}: ${words.slice(-3).join(' | ')}`));
      else if (from === undefined || to === undefined) reject(new Error('pgbench wrote no progress: nothing could be measured'));
      else {
        const transactions = to.transactions - from.transactions;
        resolve({ perSecond: transactions * 1000 / (to.atMs - from.atMs), cpuUs: (to.cpuMs - from.cpuMs) * 1000 / transactions });
      }
    });
  });
}

/** One COPY, out into nothing or in from a file. Per megabyte of data. */
export function copy(target: Target, sql: string, megabytes: number, file: string | undefined, signal: AbortSignal): Promise<Measured> {
  const atMs = performance.now();
  const cpuMs = target.pid === undefined ? NaN : cpuMsOf(target.pid);
  const command = file === undefined ? `\\copy (${sql}) to '/dev/null'` : `\\copy ${sql} from '${file}'`;
  const child = spawn(clientProgram('psql')!, ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-c', command, target.database], {
    env: environment(target), stdio: ['ignore', 'ignore', 'pipe'], signal,
  });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => { words += text; });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      const tookMs = performance.now() - atMs;
      const used = target.pid === undefined ? NaN : cpuMsOf(target.pid) - cpuMs;
      if (code !== 0) reject(new Error(`psql ended with ${code}: ${words.trim().split('\n')[0]}`));
      else resolve({ perSecond: megabytes * 1000 / tookMs, cpuUs: used * 1000 / megabytes });
    });
  });
}

/** Statements that are no measurement. Throws with what psql says. */
export function prepare(target: Target, statements: readonly string[]): void {
  const args = ['-X', '-q', '-v', 'ON_ERROR_STOP=1', ...statements.flatMap((sql) => ['-c', sql]), target.database];
  const { status, stderr } = spawnSync(clientProgram('psql')!, args, { env: environment(target), encoding: 'utf8' });
  if (status !== 0) throw new Error(`psql ended with ${status}: ${stderr.trim()}`);
}

/** The tables of pgbench. */
export function fill(target: Target): void {
  const { status, stderr } = spawnSync(clientProgram('pgbench')!, ['-i', '-q', '-s', '2', target.database], {
    env: environment(target), encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`pgbench -i ended with ${status}: ${stderr.trim()}`);
}

function environment({ host, port, user, password }: Target, tls = false): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C',
    PGHOST: host, PGPORT: String(port), PGUSER: user, PGPASSWORD: password, PGSSLMODE: tls ? 'require' : 'disable', PGGSSENCMODE: 'disable',
  };
}
