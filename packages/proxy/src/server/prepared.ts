// Which statements are prepared at a server connection. What has been sent is not yet so: an error takes along whatever stands between
// it and its Sync. So there are two views: what is there if nothing that is under way fails, and what the server has said. Pure.

import { FROM_CLIENT } from '../wire/pg/types.ts';
import type { Request } from './requests.ts';

export class PreparedHere {
  /** If all goes well; the one that was used least recently first. */
  readonly #expected = new Set<string>();
  /** As far as the server has answered. */
  readonly #confirmed = new Set<string>();
  /** The last request under way about a name, and between which Syncs it stands. */
  readonly #underWay = new Map<string, { readonly request: Request; readonly segment: number }>();

  get size(): number {
    return this.#expected.size;
  }

  /** Least recently used first. */
  names(): IterableIterator<string> {
    return this.#expected.values();
  }

  /** Will what is sent now find it there? */
  has(name: string, segment: number): boolean {
    return this.#expected.has(name) && !this.isUnsure(name, segment);
  }

  /** As far as is known, whatever fails. */
  isThere(name: string): boolean {
    return this.#expected.has(name);
  }

  /** Whether it is there depends on what was sent before the last Sync: that may fail, and what is sent now does not fail with it. */
  isUnsure(name: string, segment: number): boolean {
    const last = this.#underWay.get(name);
    return last !== undefined && last.segment !== segment;
  }

  /** The client's own Parse is under way: what is sent now stands or falls with it, as it would at the server. */
  isPromised(name: string): boolean {
    const request = this.#underWay.get(name)?.request;
    return request?.type === FROM_CLIENT.parse && !request.own;
  }

  /** It is the one that was used last. */
  touch(name: string): void {
    if (this.#expected.delete(name)) this.#expected.add(name);
  }

  /** A request goes out that may be about a statement. */
  sent(request: Request, segment: number): void {
    const { type, statement } = request;
    if (statement === undefined) return;
    this.#underWay.set(statement, { request, segment });
    this.#expected.delete(statement);
    if (type === FROM_CLIENT.parse) this.#expected.add(statement);
  }

  /** It has been answered, or an error has taken it along. */
  ended(request: Request, failed: boolean): void {
    const { type, statement } = request;
    if (statement === undefined) return;
    if (!failed && type === FROM_CLIENT.parse) this.#confirmed.add(statement);
    if (!failed && type === FROM_CLIENT.close) this.#confirmed.delete(statement);
    // What was sent later decides.
    if (this.#underWay.get(statement)?.request !== request) return;
    this.#underWay.delete(statement);
    if (!failed) return;
    if (this.#confirmed.has(statement)) this.#expected.add(statement);
    else this.#expected.delete(statement);
  }

  /** The server has dropped all that it had so far. */
  discarded(): void {
    this.#confirmed.clear();
    for (const name of this.#expected) if (!this.#underWay.has(name)) this.#expected.delete(name);
  }
}
