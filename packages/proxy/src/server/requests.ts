// What a server connection still owes an answer to, in the order in which it will answer. Pure: the session tells what it has sent and
// what has come, and is told what that was the answer of. A connection goes back to its pool when nothing is owed, so everything here
// decides whether one client's answer could reach another.
//
//   sent:      Parse  Bind  Execute  Sync  Query  …          an error takes everything up to the next Sync with it
//   answered:    1     2      C/I/s    Z     …Z

import { FROM_CLIENT, FROM_SERVER } from '../wire/pg/types.ts';

/** Whose it is: the client's, or the proxy's own, whose answers nobody else is to see. */
export interface Request {
  readonly type: number;
  readonly own: boolean;
  /** The statement that a Parse prepares or a Close ends, by its name at the server. */
  readonly statement?: string;
  /** Called when it has been answered or an error has taken it along. */
  readonly done?: (failed: boolean) => void;
  /** The statement that a Bind uses, by its name at the server. */
  readonly bound?: string;
  /** Names a prepared statement that the client has not prepared. */
  readonly unknown?: boolean;
  /** Of a question that the proxy puts only to know what has been answered: what its answer has in it, which nobody can guess. */
  readonly token?: string;
  /** Called with what the server says against a request of the proxy's own. */
  readonly refused?: (message: string) => void;
  /** An answer that is given here, when everything before it has been answered. */
  readonly answer?: Buffer;
}

const { bind, close, copyDone, copyFail, describe, execute, functionCall, parse, query, sync } = FROM_CLIENT;

/** The same for all: there is something else only after an error. */
const NONE: readonly Request[] = [];

export class Requests {
  readonly #queue: Request[] = [];
  #head = 0;
  /** Those that the message that came last has taken along: they will not be answered. */
  failed: readonly Request[] = NONE;
  /** The server takes CopyData, and ignores Sync. */
  copyingIn = false;
  /** Behind the last Sync or query stands something that a Sync has to end: the server is in a transaction that nobody has begun. */
  #open = false;
  /**
   * Syncs that the server ignores if it reads them in the middle of a COPY, and answers if the COPY had failed before it came to them:
   * nobody can know which. As long as there are any, the next ReadyForQuery may be of any of them.
   */
  doubt = 0;
  /** How many Syncs and queries have been sent: what stands between two of them fails together. */
  segment = 0;
  /** An error came before the Sync that ends it was sent: until then the server ignores everything. */
  #skipping = false;

  get owed(): number {
    return this.#queue.length - this.#head;
  }

  /** A Sync is still to come from whoever sends: the server cannot be used by anybody else before that. */
  get isOpen(): boolean {
    return this.#open || this.#skipping;
  }

  /** The one that the server is answering. */
  get current(): Request | undefined {
    return this.#queue[this.#head];
  }

  /** Sent to the server; false: it will not answer this one. */
  sent(request: Request): boolean {
    const { type } = request;
    if (this.#skipping && type !== sync) return false;
    // Not one behind the end of the copy, though the server has not come to that yet.
    if (this.copyingIn && type === sync && !this.#queue.some((each, index) => index >= this.#head && isCopyEnd(each))) {
      this.doubt++;
      return false;
    }
    if ((type === copyDone || type === copyFail) && this.owed === 0) return false;
    this.#queue.push(request);
    if (type === sync) this.#skipping = false;
    if (endsByReady(type)) {
      this.#open = false;
      this.segment++;
    } else if (type !== copyDone && type !== copyFail) this.#open = true;
    return true;
  }

  /** Statements that are to be prepared, by what has been sent and not been answered. */
  pendingStatements(): ReadonlySet<string> {
    const names = new Set<string>();
    for (let at = this.#head; at < this.#queue.length; at++) {
      const { type, statement } = this.#queue[at]!;
      if (type === parse && statement !== undefined) names.add(statement);
    }
    return names;
  }

  /** The next request that is to be answered here, if its turn has come. */
  answerable(): Request | undefined {
    return this.current?.answer === undefined ? undefined : this.#pop();
  }

  /**
   * A message has come. Returns what it is part of the answer of, or undefined if of nothing, as with a notice. What an error has taken
   * along stands in {@link Requests.failed}.
   */
  came(type: number): Request | undefined {
    const { current } = this;
    this.failed = NONE;
    switch (type) {
      case FROM_SERVER.parseComplete: return this.#ends(parse);
      case FROM_SERVER.bindComplete: return this.#ends(bind);
      case FROM_SERVER.closeComplete: return this.#ends(close);
      case FROM_SERVER.noData: case FROM_SERVER.rowDescription: return this.#ends(describe);
      case FROM_SERVER.commandComplete: case FROM_SERVER.emptyQueryResponse: case FROM_SERVER.portalSuspended:
        // It has read all that was sent before the end of the copy.
        if (this.copyingIn) this.doubt = 0;
        this.#copyEnds();
        return this.#ends(execute);
      case FROM_SERVER.copyInResponse: case FROM_SERVER.copyBothResponse:
        this.copyingIn = true;
        this.#forgetSyncs();
        return current;
      case FROM_SERVER.errorResponse:
        this.#copyEnds();
        this.failed = this.#fail();
        return current;
      case FROM_SERVER.readyForQuery: return this.#ready();
      default: return current;
    }
  }

  #ends(type: number): Request | undefined {
    const { current } = this;
    if (current?.type === type) this.#pop();
    return current;
  }

  /** Up to the next Sync; a query or a call of a function ends by itself. */
  #fail(): readonly Request[] {
    const { current } = this;
    if (current === undefined || current.type === query || current.type === functionCall) return NONE;
    const failed: Request[] = [];
    while (this.current !== undefined && this.current.type !== sync) failed.push(this.#pop());
    this.#skipping = this.current === undefined;
    return failed;
  }

  /** Undefined: nothing was owed. If there is a doubt it is of a Sync that was taken for ignored. */
  #ready(): Request | undefined {
    if (this.owed === 0) {
      this.#skipping = false;
      this.#open = false;
      return undefined;
    }
    let request: Request | undefined;
    do request = this.#pop(); while (request !== undefined && !endsByReady(request.type) && this.owed > 0);
    this.#dropCopyEnds();
    return request;
  }

  #copyEnds(): void {
    if (!this.copyingIn) return;
    this.copyingIn = false;
    // Behind an Execute stands what ended the COPY; behind a Query it goes with the ReadyForQuery.
    const second = this.#queue[this.#head + 1];
    if (this.current?.type === execute && isCopyEnd(second)) this.#queue.splice(this.#head + 1, 1);
  }

  /** The server has begun to take CopyData: it ignores every Sync that was sent before the end of the copy. */
  #forgetSyncs(): void {
    let at = this.#head + 1;
    while (at < this.#queue.length && !isCopyEnd(this.#queue[at])) {
      if (this.#queue[at]!.type === sync) {
        this.#queue.splice(at, 1);
        this.doubt++;
      } else {
        at++;
      }
    }
    // If it was the last one, another has to come.
    if (this.current?.type === execute) this.#open = !this.#queue.some(({ type }, index) => index > this.#head && endsByReady(type));
  }

  /** Ends of copies that the server was not in any more; it ignores them. */
  #dropCopyEnds(): void {
    while (isCopyEnd(this.current)) this.#pop();
  }

  #pop(): Request {
    const request = this.#queue[this.#head]!;
    // Not beyond the end, whatever a server says: what is sent next would be taken for answered.
    if (this.#head < this.#queue.length) this.#head++;
    if (this.#head > 32 && this.#head * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    return request;
  }
}

function endsByReady(type: number): boolean {
  return type === query || type === sync || type === functionCall;
}

function isCopyEnd(request: Request | undefined): boolean {
  return request?.type === copyDone || request?.type === copyFail;
}
