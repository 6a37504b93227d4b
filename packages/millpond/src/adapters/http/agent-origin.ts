// One place that requests go to, as an agent knows it: the key of a pool.

import type { Pool } from '../../index.ts';
import type { AgentSocket } from './agent-internals.ts';
import type { Connection } from './agent-connection.ts';
import type { Waiting } from './agent-waiting.ts';

export class Origin {
  /** As `getName` of the agent says it. May hold a private key: it is never shown. */
  readonly name: string;
  /** The same as text that may be shown. */
  readonly text: string;
  /** How to connect there: of the request that waited last, since what differs between them is not part of the name. */
  options: Readonly<Record<string, unknown>>;
  /** For the handshake. */
  readonly servername: unknown;
  /** What its server said last about how long it keeps connections, and how long they may be idle by that. */
  hint: string | undefined = undefined;
  restMs: number | undefined = undefined;
  /** Its pool as it was seen last. Once that is forgotten it is closed, and lends nothing. */
  pool: Pool<AgentSocket> | undefined = undefined;
  readonly connections: Set<Connection> = new Set();
  /**
   * Those that wait, linked. A Set whose members come and go with every request keeps what should be gone: its old copies point to the
   * newer ones, and once one of them has grown old, the collector of young objects takes all that come after it for alive.
   */
  firstWaiting: Waiting | undefined = undefined;
  lastWaiting: Waiting | undefined = undefined;

  constructor(name: string, text: string, options: Readonly<Record<string, unknown>>) {
    this.name = name;
    this.text = text;
    this.options = options;
    this.servername = options['servername'];
  }
}
