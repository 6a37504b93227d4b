// A statement with a caller behind it: finds a connection, is sent, tells the caller what came of it, and tries another connection when it
// did not reach the server. Where it runs is for those that derive from it: on a connection of its own (query.ts), or on one that is shared
// (pipeline.ts).

import { AsyncResource } from 'node:async_hooks';
import type { AcquireOptions } from '../../index.ts';
import type { DriverTypes } from './driver.ts';
import { Flight } from './flight.ts';
import { isShareable } from './statements.ts';
import type { PgQueryConfig, PgQueryOptions, PgResult } from './types.ts';
import { acquireOptions, Attempts, deadlineOf, type NotSent } from '../common/attempts.ts';
import type { Limit, Watch } from '../common/watch.ts';

/** What requests need of their pool. */
export interface Host {
  readonly name: string;
  /** Are there several lanes? The lane travels with the caller's async context. */
  readonly laned: boolean;
  evict(): number;
  /** What ends a statement before its answer; undefined: nothing does. */
  limit(what: string, options: PgQueryOptions | undefined, deadline: number | undefined): Limit | undefined;
}

/** What a caller asked, as far as it is of the kind that we send ourselves. */
export interface OwnStatement {
  readonly text: string;
  readonly values: readonly unknown[] | undefined;
  readonly rowMode: 'array' | undefined;
  readonly types: DriverTypes | undefined;
}

/** More are not sent by node-postgres either; how it fails over them is its own affair. */
const MOST_VALUES = 65_535;

/** What node-postgres takes, and this adapter leaves to it. */
interface Undocumented {
  readonly rows?: unknown;
  readonly portal?: unknown;
  readonly query_timeout?: unknown;
}

/** Undefined: this goes through the client, alone, as everything does that is more than one query or one change of data. */
export function ownStatement(given: string | PgQueryConfig, second: readonly unknown[] | undefined): OwnStatement | undefined {
  if (typeof given === 'string') return owned(given, second, undefined, undefined);
  const { text, name, binary, queryMode, rowMode, rows, portal, query_timeout: timeout } = given as PgQueryConfig & Undocumented;
  if (typeof text !== 'string' || name || binary || queryMode || rows || portal || timeout) return undefined;
  return owned(text, second ?? given.values, rowMode, given.types as DriverTypes | undefined);
}

function owned(
  text: string, values: readonly unknown[] | undefined, rowMode: 'array' | undefined, types: DriverTypes | undefined,
): OwnStatement | undefined {
  if (values !== undefined && (!Array.isArray(values) || values.length > MOST_VALUES)) return undefined;
  return isShareable(text) ? { text, values, rowMode, types } : undefined;
}

export interface Asked {
  readonly options: PgQueryOptions | undefined;
  readonly resolve: (result: PgResult) => void;
  readonly reject: (error: unknown) => void;
}

export abstract class Request extends Flight {
  protected readonly host: Host;
  protected readonly options: PgQueryOptions | undefined;
  protected readonly deadline: number | undefined;
  protected watch: Watch | undefined = undefined;
  protected readonly resolve: (result: PgResult) => void;
  protected readonly reject: (error: unknown) => void;
  private attempts: Attempts | undefined = undefined;
  /** The caller's context; later attempts begin where some other statement has ended. */
  private readonly context: AsyncResource | undefined;

  constructor(host: Host, statement: OwnStatement, { options, resolve, reject }: Asked) {
    super(statement.text, statement.values, statement.rowMode, statement.types);
    this.host = host;
    this.options = options;
    this.deadline = deadlineOf(options);
    this.context = host.laned ? new AsyncResource('millpond.query') : undefined;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** Looks for a connection, and goes. */
  abstract attempt(): void;

  protected attemptAgain(): void {
    if (this.context === undefined) this.attempt();
    else this.context.runInAsyncScope(() => this.attempt());
  }

  protected acquireOptions(): AcquireOptions | undefined {
    return this.options === undefined ? undefined : acquireOptions(this.options, this.deadline);
  }

  /** The server never saw it. */
  protected notSent(error: NotSent): void {
    this.attempts ??= new Attempts(this.host);
    if (this.attempts.mayGoOn(error)) this.attemptAgain();
    else this.reject(this.attempts.lastWord(error));
  }

  protected limit(): Limit | undefined {
    return this.options === undefined ? undefined : this.host.limit('the statement', this.options, this.deadline);
  }
}
