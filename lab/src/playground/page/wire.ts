// What the program and its page say to each other, as JSON. The page has no other knowledge of the program.

export type Handling = 'pool' | 'shared' | 'each';

/** What can be moved while it runs. */
export interface Settings {
  readonly users: number;
  /** Between an answer and the same user's next request. */
  readonly pauseMs: number;
  /** What a request computes in the database while it holds its row. */
  readonly cpuMs: number;
  /** What it waits there for, before it takes its row: a disk, another server. */
  readonly sleepMs: number;
  /** How many rows all users want to change; 0: each user has one of their own. */
  readonly rows: number;
  readonly handling: Handling;
  /** Connections in the pool. */
  readonly size: number;
}

export interface Limit {
  readonly least: number;
  readonly most: number;
  readonly whole: boolean;
}

export type Numeric = Exclude<keyof Settings, 'handling'>;

export type ServerState = 'up' | 'frozen' | 'down' | 'starting';

/** Sessions of the load, as the server sees them. */
export interface Backends {
  /** Computing, or ready to. */
  readonly running: number;
  /** Waiting for one another: for a row, or for a lock inside the server. */
  readonly locked: number;
  /** In pg_sleep. */
  readonly sleeping: number;
  readonly idle: number;
}

/** A quarter of a second. */
export interface Sample {
  /** Since the program began. */
  readonly atMs: number;
  readonly perSecond: number;
  readonly errorsPerSecond: number;
  /** Of the last second, from the moment the user wanted it; who gave up counts with the time waited. Null: nobody ended. */
  readonly p50: number | null;
  readonly p99: number | null;
  /** The age of the oldest request that has no answer yet. */
  readonly longestMs: number;
  /** Requests without a connection, and with one. */
  readonly waiting: number;
  readonly borrowed: number;
  readonly idle: number;
  readonly connecting: number;
  /** Null while the server does not answer that. */
  readonly backends: Backends | null;
  readonly server: ServerState;
  /** Of this program's thread, 0 to 1. */
  readonly clientBusy: number;
  /** Null where the system does not tell. */
  readonly serverCores: number | null;
  /** What neither the database nor this program uses: a browser, somebody's compiler. */
  readonly othersCores: number | null;
}

export interface Mark {
  readonly atMs: number;
  readonly text: string;
  /** trouble: something was broken; mended: it is whole again; moved: a control. */
  readonly kind: 'moved' | 'trouble' | 'mended';
}

/** What one size of the pool was worth under one load. */
export interface Point {
  readonly size: number;
  readonly perSecond: number;
  readonly p99: number;
  readonly running: number | null;
  readonly locked: number | null;
  /** Of the database, for one answer. */
  readonly cpuMs: number | null;
  /** Of this program's thread, 0 to 1. */
  readonly clientBusy: number;
  readonly othersCores: number | null;
  readonly waiting: number;
  readonly borrowed: number;
}

export interface Curve {
  readonly points: readonly Point[];
  /** Of the load before the last change of it. */
  readonly before: readonly Point[];
  /** What one sees, in plain words; chosen by the figures. */
  readonly words: readonly string[];
}

export interface ErrorLine {
  readonly code: string;
  readonly count: number;
  readonly message: string;
}

export interface HolderLine {
  readonly id: number;
  readonly label: string;
  readonly heldMs: number;
}

export interface Tick {
  readonly sample: Sample;
  readonly settings: Settings;
  readonly marks: readonly Mark[];
  readonly curve: Curve;
  readonly errors: readonly ErrorLine[];
  readonly holders: readonly HolderLine[];
  readonly leaked: number;
  readonly transaction: boolean;
  /** The size that is being tried, and how many are left; null: no sweep runs. */
  readonly sweep: { readonly size: number; readonly left: number } | null;
}

export interface Hello extends Tick {
  readonly history: readonly Sample[];
  readonly limits: Readonly<Record<Numeric, Limit>>;
  readonly cores: number;
  readonly patienceMs: number;
  /** Where the console is; null: there is none. */
  readonly console: string | null;
}

export const ACTS = [
  'kill', 'start', 'freeze', 'thaw', 'leak', 'give-back', 'transaction', 'end-transaction', 'sweep', 'end-sweep',
] as const;

export type Act = (typeof ACTS)[number];
