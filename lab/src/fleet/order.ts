// What the processes of a fleet are told, and what they tell.

export interface Database {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** How a process comes by its share of the connections. */
export type Share =
  | { readonly by: 'pg.Pool'; readonly max: number }
  | { readonly by: 'fleet'; readonly max: number; readonly budget: BudgetOrder };

export interface BudgetOrder {
  /** A Redis on the loopback; undefined: the database itself is the coordinator. */
  readonly redisPort: number | undefined;
  readonly key: string;
  readonly limit: number;
  /** Who asks, where the database itself is the coordinator. Default: the fleet's own role, whose sessions are counted. */
  readonly asking?: Database;
  /** Kept free for the sessions that ask the coordinator, where that is the database itself. */
  readonly guard?: number;
  readonly floor: number;
  readonly members: number;
  readonly leaseMs: number;
  readonly graceMs: number;
  readonly deadManMs: number;
  /** How much faster than true this process' clock runs: 1.01 gains one per cent. Default 1. */
  readonly clockRate?: number;
}

/** Requests arrive at random, whatever becomes of those before them. */
export interface Load {
  readonly perSecond: number;
  /** How long a request keeps its connection busy. */
  readonly busyMs: number;
}

export type Order =
  | { readonly do: 'open'; readonly name: string; readonly database: Database; readonly share: Share; readonly deadlineMs: number }
  | { readonly do: 'load'; readonly load: Load }
  | { readonly do: 'close' };

/** What has become of requests since the last report. */
export interface Report {
  readonly served: number;
  /** By the database: it had no connection left. */
  readonly refused: number;
  /** No connection within the deadline. */
  readonly late: number;
  /** Whatever else went wrong, in its words. */
  readonly lost: readonly string[];
  /** From arrival to answer. */
  readonly tookMs: readonly number[];
  /** Requests under way. */
  readonly running: number;
  /** Connections, open or being opened. */
  readonly held: number;
  /** How many it may hold. */
  readonly may: number;
}

export type Said = { readonly said: 'opened' | 'closed' } | { readonly said: 'report'; readonly report: Report };
