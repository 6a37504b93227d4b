// What a client does that lasts longer than its transaction, and so would be somebody else's in transaction mode: seen by the tags of what
// it has done, told once in the log, and, if the configuration says so, a reason to keep the server connection.

import type { ServerConnection } from '../server/connection.ts';
import { TRANSACTION } from '../wire/pg/types.ts';

export type SessionFeature = 'LISTEN' | 'PREPARE' | 'SET';

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

  /** The server is ready, and has told of so many values that follow the client. */
  ready(changes: number): void {
    if (this.#sets > changes) this.#found('SET');
    this.#sets = 0;
    this.#began = false;
  }

  #found(feature: SessionFeature): void {
    this.#init.detected(feature);
    if (this.#init.live.pins) this.pins = true;
  }
}
