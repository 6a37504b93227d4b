// The parameters that follow a client: what it has set, and which server connections have that already.

import type { ServerConnection } from '../server/connection.ts';
import { difference } from '../server/parameters.ts';
import { FROM_CLIENT } from '../wire/pg/types.ts';
import { query } from '../wire/pg/write.ts';

export interface FollowingInit {
  /** By the spelling of servers. */
  readonly values: Map<string, string>;
  /** Names that follow, by their lower case. */
  readonly tracked: ReadonlyMap<string, string>;
  readonly debug: (words: string) => void;
  /** A server will not have one of them. */
  readonly refused: (why: string) => void;
}

export class Following {
  readonly #init: FollowingInit;
  /** The parameters of a server that has the client's, as it spells them. */
  #agreed: string | undefined = undefined;
  /** How many values a server has told since this was last set to 0. */
  changes = 0;

  constructor(init: FollowingInit) {
    this.#init = init;
  }

  get values(): ReadonlyMap<string, string> {
    return this.#init.values;
  }

  /** A server has told a value while the client had it. */
  told(name: string, value: string): void {
    if (!this.#init.tracked.has(name.toLowerCase())) return;
    this.changes++;
    this.#agreed = undefined;
    this.#init.values.set(name, value);
  }

  /** What a server has to be told to have the client's parameters. */
  missingAt(server: ServerConnection): string | undefined {
    if (this.#agreed === server.spelling) return undefined;
    const settings = difference(this.#init.values, server.parameters);
    if (settings === undefined) this.#agreed = server.spelling;
    return settings;
  }

  /** Tells it, before anything of the client's reaches it. */
  adjust(server: ServerConnection, sql: string): void {
    const { values, debug, refused } = this.#init;
    debug(`varcache_apply: ${sql}`);
    server.request(query(sql), {
      type: FROM_CLIENT.query, own: true, refused,
      done: () => {
        // The server's spelling is what it will report: with any other one it would be told again and again.
        for (const [name, value] of values) {
          const told = server.parameters.get(name);
          if (told === undefined || told === value) continue;
          debug(`varcache_set_canonical: setting ${name} to its canonical version ${value} -> ${told}`);
          values.set(name, told);
          this.#agreed = undefined;
        }
      },
    });
  }
}
