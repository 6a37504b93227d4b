// What the processes of one proxy say to each other: workers to the parent and the parent to workers, never one worker to another. All of
// it is plain data.

import type { Answer } from '../admin/table.ts';
import type { Family } from '../http/exposition.ts';
import type { ClientCounts } from './census.ts';
import type { Claim, Grant } from './ledger.ts';
import type { Snapshot } from './records.ts';

/** What all workers are asked. */
export type Question =
  | { readonly kind: 'command'; readonly name: string; readonly argument: string | undefined }
  | { readonly kind: 'set'; readonly key: string; readonly value: string }
  | { readonly kind: 'show'; readonly what: string }
  | { readonly kind: 'cancel'; readonly key: string }
  | { readonly kind: 'welcome'; readonly database: string; readonly user: string }
  | { readonly kind: 'visitors' } | { readonly kind: 'records' } | { readonly kind: 'metrics' } | { readonly kind: 'obstacle' };

/** And what one of them answers. */
export interface Answers {
  /** Undefined: there is no such command with this argument. */
  readonly command: Answer | undefined;
  readonly set: Answer;
  readonly show: Answer;
  readonly cancel: undefined;
  /** What clients of a pool are told when they log in; undefined: not known here. */
  readonly welcome: ReadonlyMap<string, string> | undefined;
  /** How many are in the console. */
  readonly visitors: number;
  readonly records: Snapshot;
  readonly metrics: readonly Family[];
  /** Why clients should go elsewhere. */
  readonly obstacle: string | undefined;
}

export type Result<Value = unknown> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly message: string; readonly code: string };

/** From a worker. */
export type Up =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'claims'; readonly claims: readonly Claim[] }
  | { readonly kind: 'counts'; readonly counts: ClientCounts }
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question; readonly others: boolean }
  | { readonly kind: 'withdraw'; readonly id: number; readonly reason: unknown }
  | { readonly kind: 'answer'; readonly id: number; readonly result: Result };

/** From the parent. */
export type Down =
  | { readonly kind: 'grants'; readonly grants: readonly Grant[] }
  | { readonly kind: 'elsewhere'; readonly counts: ClientCounts }
  | { readonly kind: 'question'; readonly id: number; readonly question: Question }
  | { readonly kind: 'withdrawn'; readonly id: number; readonly reason: unknown }
  | { readonly kind: 'results'; readonly id: number; readonly results: readonly Result[] }
  | { readonly kind: 'listen' };
