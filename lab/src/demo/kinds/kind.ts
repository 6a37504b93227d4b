// A demo about one kind of connection: its server, three ways to come by a connection, and what is done to the server while everybody asks.
import type { Opened } from '../../bench/exchange/contender.ts';

export interface Way {
  readonly name: string;
  open(): Opened | Promise<Opened>;
}

/** Something that happens to the server. */
export interface Event {
  /** Below the timeline: 'killed (SIGKILL)'. */
  readonly words: string;
  /** After the one before. */
  readonly waitMs: number;
  run(): Promise<unknown> | void;
}

export interface Booted {
  readonly port: number;
  /** Undefined while it is down. */
  readonly pid: () => number | undefined;
  /** A connection per request, the pool that one would take, and ours. */
  readonly ways: readonly Way[];
  /** In this order; the last of them brings the server back for good. */
  readonly events: readonly Event[];
  stop(): Promise<unknown>;
}

export interface Kind {
  readonly name: string;
  /** 'one Redis' */
  readonly server: string;
  /** What one request is. */
  readonly request: string;
  /** What act two does. */
  readonly fault: string;
  /** Throws a Trouble when this machine has not what it takes. */
  check(): void;
  boot(size: number): Promise<Booted>;
}
