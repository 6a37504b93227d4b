// What a client does that lasts longer than its transaction, and so would be somebody else's in transaction mode: seen by the tags of what
// it has done, or by its words; told once in the log, and, if the configuration says so, a reason to keep the server connection.

import type { ServerConnection } from '../server/connection.ts';
import { TRANSACTION } from '../wire/pg/types.ts';

export type SessionFeature = 'LISTEN' | 'PREPARE' | 'SET' | 'an advisory lock' | 'a temporary table' | 'a cursor WITH HOLD';

/** What has no tag of its own. Of a transaction are pg_advisory_xact_lock and ON COMMIT DROP. */
const WORDS: readonly (readonly [words: RegExp, feature: SessionFeature])[] = [
  [/\bpg_(?:try_)?advisory_lock(?:_shared)?\s*\(/i, 'an advisory lock'],
  [/\bcreate\s+(?:local\s+|global\s+)?temp(?:orary)?\s+(?:table|view|sequence)\b(?![^;]*\bon\s+commit\s+drop\b)/i, 'a temporary table'],
  [/\bdeclare\b[^;]*\bwith\s+hold\b/i, 'a cursor WITH HOLD'],
];
/** So many statements of a client are looked at: who does such a thing does it early, and looking costs. */
const LOOKS = 100;
/** And so much of each, in bytes. */
export const LOOKED_AT = 1_024;

export interface LastingInit {
  readonly live: { readonly pins: boolean };
  readonly detected: (feature: SessionFeature) => void;
}

export class Lasting {
  readonly #init: LastingInit;
  /** Since the server was last ready: a transaction has begun, and how often something was set outside of one. */
  #began = false;
  #sets = 0;
  /** The server connection is to be kept. */
  pins = false;
  /** How many statements are still to be looked at. */
  looks = LOOKS;
  readonly #told = new Set<SessionFeature>();

  constructor(init: LastingInit) {
    this.#init = init;
  }

  completed(tag: string, server: ServerConnection): void {
    if (tag === 'BEGIN') this.#began = true;
    else if (tag !== 'SET') this.#found(tag as SessionFeature);
    // Of what follows the client the server tells when it is ready.
    else if (!this.#began && server.status === TRANSACTION.idle) this.#sets++;
    // Inside of a transaction it may be SET LOCAL, which is no reason to keep the connection, and may be SET, which nobody else is to find.
    else if (this.#init.live.pins) server.dirty = true;
  }

  /** A statement goes to the server, or its beginning. */
  saw(bytes: Buffer): void {
    this.looks--;
    const sql = bytes.toString('latin1');
    for (const [words, feature] of WORDS) if (words.test(sql)) this.#found(feature);
  }

  /** The server is ready, and has told of so many values that follow the client. */
  ready(changes: number): void {
    if (this.#sets > changes) this.#found('SET');
    this.#sets = 0;
    this.#began = false;
  }

  #found(feature: SessionFeature): void {
    if (!this.#told.has(feature)) this.#init.detected(feature);
    this.#told.add(feature);
    if (this.#init.live.pins) this.pins = true;
  }
}
