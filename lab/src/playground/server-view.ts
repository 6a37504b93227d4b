// What the server sees of the load: how many of its sessions compute, wait for one another, or idle; and what that costs the machine. Asked
// over a connection of our own. While it does not answer (killed, frozen) there is nothing to see.
import { cpus } from 'node:os';
import pg from 'pg';
import { cpuBetween, readCpu, type CpuReading } from '../demo/meters/cpu.ts';
import type { Connect } from './load/ways.ts';
import type { Backends } from './page/wire.ts';

const LOOK_EVERY_MS = 500;
const ANSWER_WITHIN_MS = 2000;
const STALE_AFTER_MS = 2500;

const LOOK = `select
    count(*) filter (where state = 'active' and wait_event_type is null)::int as running,
    count(*) filter (where state = 'active' and wait_event_type in ('Lock', 'LWLock', 'BufferPin'))::int as locked,
    count(*) filter (where state = 'active' and wait_event_type = 'Timeout')::int as sleeping,
    count(*) filter (where state is distinct from 'active' or wait_event_type = 'Client')::int as idle
  from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`;

export class ServerView {
  readonly #connect: Connect;
  readonly #pid: () => number | undefined;
  #client: pg.Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #seen: { readonly atMs: number; readonly backends: Backends } | undefined;
  #cpu: CpuReading;
  #machineMs: number = machineBusyMs();
  cores: number | null = null;
  othersCores: number | null = null;

  constructor(connect: Connect, pid: () => number | undefined) {
    this.#connect = connect;
    this.#pid = pid;
    this.#cpu = readCpu(pid());
    this.#next();
  }

  get backends(): Backends | null {
    return this.#seen !== undefined && performance.now() - this.#seen.atMs < STALE_AFTER_MS ? this.#seen.backends : null;
  }

  /** Forgets what was seen: the server is down, or stands still. */
  forget(): void {
    this.#seen = undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const client = this.#client;
    this.#client = undefined;
    // The server may be frozen or gone: whoever closes it next ends this connection too.
    if (client !== undefined) await Promise.race([client.end().catch(() => undefined), pause(200)]);
  }

  #next(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#look().catch(() => this.#drop()).finally(() => this.#next());
    }, LOOK_EVERY_MS);
  }

  async #look(): Promise<void> {
    this.#meters();
    this.#client ??= await this.#open();
    const { rows: [backends] } = await this.#client.query<Backends>(LOOK);
    if (backends !== undefined) this.#seen = { atMs: performance.now(), backends };
  }

  #meters(): void {
    const cpu = readCpu(this.#pid());
    const use = cpuBetween(this.#cpu, cpu);
    this.#cpu = cpu;
    const busyMs = machineBusyMs();
    const { serverMs, clientMs, wallMs } = use;
    // Ended processes are counted when their parent notices, some looks late: many at once would make more than there is.
    this.cores = serverMs === undefined ? null : Math.min(cpus().length, serverMs / wallMs);
    this.othersCores = serverMs === undefined ? null : Math.max(0, busyMs - this.#machineMs - serverMs - clientMs) / wallMs;
    this.#machineMs = busyMs;
  }

  async #open(): Promise<pg.Client> {
    const client = new pg.Client({
      ...this.#connect, application_name: 'playground', query_timeout: ANSWER_WITHIN_MS, connectionTimeoutMillis: ANSWER_WITHIN_MS,
    });
    client.on('error', () => this.#drop());
    await client.connect();
    return client;
  }

  #drop(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.end().catch(() => undefined);
  }
}

/** Of all processors since the machine was started. */
function machineBusyMs(): number {
  return cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}
