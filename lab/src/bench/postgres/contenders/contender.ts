// A way of asking the server: what it is called, what it lacks, and how to open it.
import type { Asks } from '../workload.ts';

export interface Contender {
  readonly id: string;
  readonly name: string;
  readonly about: string;
  /** What it does not do while it is measured. */
  readonly lacks: string;
  readonly ours: boolean;
  /** The most connections that it holds, where a section does not say otherwise. */
  readonly size: number;
  /** The most callers that may ask at once: for those who have no queue. */
  readonly callers?: number;
  /** Goes over the Unix socket. */
  readonly unix?: boolean;
  /** Connects until it has `size` connections. */
  open(place: Place, size: number): Promise<Opened>;
}

/** Where the server is, and as whom. */
export interface Place {
  /** An address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export interface Opened {
  readonly asks: Asks;
  close(): Promise<void>;
}

/** Opens all connections of a pool that opens them when they are asked for: takes them all, and gives them all back. */
export async function fill<T>(size: number, acquire: () => Promise<T>, release: (resource: T) => unknown): Promise<void> {
  const settled = await Promise.allSettled(Array.from({ length: size }, acquire));
  for (const each of settled) if (each.status === 'fulfilled') await release(each.value);
  for (const each of settled) if (each.status === 'rejected') throw each.reason;
}

/** Everyone waits that long for a connection: the usual setting of a server that runs for real. */
export const ACQUIRE_TIMEOUT_MS = 30_000;
export const IDLE_TIMEOUT_MS = 30_000;
