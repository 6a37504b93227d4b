// What one connection costs, one after the other: from nothing to the first moment at which a statement could be sent, and its end.
import pg from 'pg';
import type { Place } from './contenders/contender.ts';
import { cpuOf, type Cost } from './cpu-of.ts';
import { serverCpuMs } from './server-cpu.ts';

export interface ConnectOptions {
  readonly place: Place;
  readonly ca: string | undefined;
  /** A statement over one connection that is open instead of a connect each. */
  readonly reuse: boolean;
  readonly times: number;
  readonly postmasterPid: number | undefined;
}

export interface ConnectResult extends Cost {
  /** Per time, like the rest. */
  readonly serverMs: number | undefined;
}

export async function connects({ place, ca, reuse, times, postmasterPid }: ConnectOptions): Promise<ConnectResult> {
  const options = { ...place, ...(ca === undefined ? {} : { ssl: { ca, servername: 'localhost' } }) };
  const client = reuse ? await connected(options) : undefined;
  const serverBefore = serverCpuMs(postmasterPid);
  const cost = cpuOf();
  let wallMs = 0;
  for (let time = 0; time < times; time += 1) {
    const fromMs = performance.now();
    if (client !== undefined) {
      await client.query('SELECT 1');
      wallMs += performance.now() - fromMs;
    } else {
      const fresh = await connected(options);
      wallMs += performance.now() - fromMs;
      await fresh.end();
    }
  }
  const { clientMs } = cost();
  const serverAfter = serverCpuMs(postmasterPid);
  await client?.end();
  return {
    wallMs: wallMs / times,
    clientMs: clientMs / times,
    serverMs: serverBefore === undefined || serverAfter === undefined ? undefined : (serverAfter - serverBefore) / times,
  };
}

async function connected(options: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client({ ...options });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
