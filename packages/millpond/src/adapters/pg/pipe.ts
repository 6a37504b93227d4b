// The statements that are in flight on one connection: sent one behind the other without waiting, answered in the same order. Each ends in
// a Sync of its own, so each is a transaction of its own, and one that fails fails alone.
//
// node-postgres goes on reading the socket and parsing what the server says; while something is in flight here, its messages are taken
// where it hands them to its client (`connection.emit`), and the client, which knows nothing of our statements, sees none of them. What the
// server says unasked (notices, notifications, settings) goes to the client as ever.

import {
  wasUnread, type DriverClient, type DriverField, type DriverParts, type DriverResult, type DriverTypes, type ServerError,
  type TransactionStatus,
} from './driver.ts';
import type { Flight } from './flight.ts';
import type { Session } from './session.ts';
import { PreparedStatements, type Columns, type Prepared, type PreparePolicy } from './statements.ts';
import { Outgoing } from './wire.ts';

/** What the server says about statements. Everything else is not for us. */
type Message =
  | { readonly name: 'dataRow'; readonly fields: readonly (string | null)[] }
  | { readonly name: 'rowDescription'; readonly fields: readonly DriverField[] }
  | { readonly name: 'commandComplete'; readonly text: string }
  | { readonly name: 'readyForQuery'; readonly status: TransactionStatus };

type Emit = (name: string | symbol, ...args: unknown[]) => boolean;

const NO_FIELDS: readonly DriverField[] = [];

export class Pipe {
  readonly session: Session;
  /** Statements in flight, the waiting ones included. */
  size = 0;
  /** How many have been answered so far. */
  answers = 0;
  /** A cancel was sent to this connection since it was last empty: whoever is hit by one may not have been meant. */
  cancelSent = false;
  /** Called when the last one has ended. */
  onEmpty: (() => void) | undefined = undefined;
  private readonly client: DriverClient;
  private readonly parts: DriverParts;
  private readonly policy: PreparePolicy;
  private readonly prepared: PreparedStatements;
  private readonly outgoing = new Outgoing();
  /** Sent and not answered: the first is the one that the server works on. */
  private first: Flight | undefined = undefined;
  private last: Flight | undefined = undefined;
  /** Not sent yet: they leave together. */
  private waiting: Flight[] = [];
  private flushing = false;
  /** Of the last statement that ran without a name: often the next one has the same. */
  private latest: Columns | undefined = undefined;
  private readonly emit: Emit;

  constructor(session: Session, parts: DriverParts, policy: PreparePolicy) {
    this.session = session;
    this.client = session.client;
    this.parts = parts;
    this.policy = policy;
    this.prepared = new PreparedStatements(policy.limit);
    const { connection } = this.client;
    this.emit = connection.emit;
    connection.emit = ((name: string | symbol, message: unknown, second: unknown) => {
      if (second !== undefined) return this.emit.call(connection, name, message, second); // not one of the server's
      return this.first === undefined ? this.emit.call(connection, name, message) : this.take(name as string, message);
    }) as typeof connection.emit;
    session.lossListeners.add((cause) => this.lose(cause));
  }

  /** The statement that the server works on. */
  get head(): Flight | undefined {
    return this.first;
  }

  /** Sends a statement: at once, or together with all others of this turn. */
  send(flight: Flight, corked: boolean): void {
    this.size++;
    this.waiting.push(flight);
    if (!corked) {
      this.flush();
    } else if (!this.flushing) {
      this.flushing = true;
      process.nextTick(this.flush);
    }
  }

  /** DISCARD ALL will have deallocated what is prepared. */
  forget(): void {
    this.prepared.clear();
  }

  // ------------------------------------------------------------------------------------------------------------------- way out

  private readonly flush = (): void => {
    this.flushing = false;
    const { session, outgoing, waiting } = this;
    if (waiting.length === 0) return;
    if (!session.usable) {
      this.lose(session.cause ?? new Error('the connection was closed'));
      return;
    }
    const { stream } = this.client.connection;
    if (stream.writableNeedDrain) {
      // The server does not read. What waits here has certainly not reached it.
      this.flushing = true;
      stream.once('drain', this.flush);
      return;
    }
    this.waiting = [];
    for (const flight of waiting) this.encode(flight);
    if (outgoing.length === 0) return;
    stream.write(outgoing.take());
    if (session.refused) for (const flight of waiting) flight.written = false;
  };

  private encode(flight: Flight): void {
    if (flight.left) {
      this.end(flight);
      return;
    }
    const { outgoing } = this;
    const prepared = this.choose(flight);
    const start = outgoing.length;
    try {
      this.write(flight, prepared);
    } catch (error) {
      outgoing.rewind(start);
      if (flight.parses) this.prepared.replace(prepared!);
      flight.error = thrown(error);
      this.end(flight);
      return;
    }
    flight.written = true;
    if (this.last === undefined) this.first = flight;
    else this.last.next = flight;
    this.last = flight;
  }

  private write(flight: Flight, prepared: Prepared | undefined): void {
    const { outgoing } = this;
    const { text, values } = flight;
    const { mapValue } = this.parts;
    if (prepared !== undefined) {
      if (flight.parses) {
        // Parsing under a name that is taken would be an error; closing one that is not there is none.
        if (prepared.replaces) outgoing.closeStatement(prepared.name);
        outgoing.parse(prepared.name, text);
        outgoing.describeStatement(prepared.name);
      }
      outgoing.bind(prepared.name, values, mapValue);
      outgoing.executeAndSync();
    } else if (values !== undefined && values.length > 0) {
      outgoing.parse('', text);
      outgoing.bind('', values, mapValue);
      outgoing.describePortal();
      outgoing.executeAndSync();
    } else {
      outgoing.query(text);
    }
  }

  /** Does it run under a name? */
  private choose(flight: Flight): Prepared | undefined {
    const { policy, prepared: all } = this;
    if (flight.unnamed || policy.limit === 0) return undefined;
    let prepared = all.find(flight.text);
    if (prepared === undefined) {
      if (!policy.recurs(flight.text)) return undefined;
      prepared = all.add(flight.text, (evicted) => this.outgoing.closeStatement(evicted.name));
    }
    flight.prepared = prepared;
    policy.executed();
    if (!prepared.sent) {
      prepared.sent = true;
      flight.parses = true;
    }
    return prepared;
  }

  // -------------------------------------------------------------------------------------------------------------------- way in

  private take(name: string, message: unknown): boolean {
    const flight = this.first!;
    switch (name) {
      case 'bindComplete':
        flight.bound = true;
        return true;
      case 'dataRow':
        this.takeRow(flight, (message as Message & { name: 'dataRow' }).fields);
        return true;
      case 'commandComplete':
        this.complete(flight, message as Message & { name: 'commandComplete' });
        return true;
      case 'readyForQuery':
        this.ready(flight, (message as Message & { name: 'readyForQuery' }).status);
        return true;
      case 'rowDescription':
        this.takeFields(flight, (message as Message & { name: 'rowDescription' }).fields);
        return true;
      case 'parseComplete':
        if (flight.parses) flight.prepared!.ready = true;
        return true;
      case 'noData':
        if (flight.parses) flight.prepared!.fields = NO_FIELDS;
        return true;
      case 'errorMessage':
        this.fail(flight, message as ServerError);
        return true;
      case 'parameterDescription':
      case 'closeComplete':
      case 'emptyQuery':
        return true;
      case 'copyInResponse':
      case 'copyOutResponse':
      case 'portalSuspended':
        // Nothing that we send is answered so.
        this.client.connection.stream.destroy(new Error(`an answer that belongs to no statement: ${name}`));
        return true;
      default:
        return this.emit.call(this.client.connection, name, message);
    }
  }

  private takeFields(flight: Flight, fields: readonly DriverField[]): void {
    if (flight.parses) {
      flight.prepared!.fields = fields;
      return;
    }
    try {
      flight.result = this.newResult(flight);
      this.latest = fill(flight.result, fields, this.latest);
    } catch (error) {
      flight.error = thrown(error); // the caller's `types` find no parser
    }
  }

  private complete(flight: Flight, message: Message & { name: 'commandComplete' }): void {
    if (flight.error !== undefined) return;
    try {
      flight.result ??= this.resultFor(flight);
      flight.result.addCommandComplete(message);
    } catch (error) {
      flight.error = thrown(error);
    }
  }

  private takeRow(flight: Flight, values: readonly (string | null)[]): void {
    if (flight.error !== undefined) return;
    try {
      const result = flight.result ??= this.resultFor(flight);
      result.rows.push(result.parseRow(values));
    } catch (error) {
      flight.error = thrown(error); // of a parser; the rows that follow are not looked at
    }
  }

  private newResult(flight: Flight): DriverResult {
    return new this.parts.Result(flight.rowMode, flight.types ?? this.client._types ?? this.client);
  }

  /** An empty result for one whose columns are known, from its preparation or because it has none. */
  private resultFor(flight: Flight): DriverResult {
    const { prepared } = flight;
    if (prepared?.fields === undefined || prepared.fields.length === 0) return this.newResult(flight);
    const result = this.newResult(flight);
    prepared.columns = fill(result, prepared.fields, prepared.columns);
    return result;
  }

  private fail(flight: Flight, error: ServerError): void {
    // A row that could not be parsed came first, and what the server says of the rest does not matter any more.
    if (wasUnread(error)) for (let each: Flight | undefined = flight; each !== undefined; each = each.next) each.written = false;
    else flight.error ??= error;
    this.session.noteServerError(error);
  }

  private ready(flight: Flight, status: TransactionStatus): void {
    this.answers++;
    this.first = flight.next;
    if (this.first === undefined) this.last = undefined;
    if (status !== 'I') {
      flight.error ??= new Error('the statement opened a transaction on a connection that is shared; it is rolled back');
      this.client.connection.stream.destroy();
      this.session.lose(flight.error);
    }
    const { prepared } = flight;
    if (flight.error === undefined) {
      if (prepared === undefined) this.policy.ran(flight.text);
    } else {
      if (flight.parses && !prepared!.ready) this.prepared.replace(prepared!);
      if (this.retries(flight)) return;
    }
    this.end(flight);
  }

  /** A failure that lies in the preparation and not in the statement: it goes once more, on the same connection. */
  private retries(flight: Flight): boolean {
    const { prepared } = flight;
    if (flight.left || !this.session.usable) return false;
    if (prepared === undefined || flight.bound || flight.resent === RESENDS) return false;
    const { code = '' } = flight.error as ServerError;
    if (code === VALUES_MISSING) {
      flight.unnamed = true; // to be told so in the words that there are for a statement without a name
    } else if (code === DUPLICATE_NAME || (!flight.parses && (code === UNKNOWN_NAME || code === STALE_RESULT || code.startsWith(STALE)))) {
      // A loss that hits many in flight is one loss.
      const first = this.prepared.replace(prepared);
      if (first && (code === DUPLICATE_NAME || (code === UNKNOWN_NAME && prepared.ready))) this.policy.lost();
    } else {
      return false;
    }
    this.size--;
    // It relied on another to parse it anew, and that one could not: now it relies on nobody.
    if (flight.resent++ > 0) flight.unnamed = true;
    flight.restart();
    this.send(flight, true);
    return true;
  }

  private lose(cause: unknown): void {
    const { waiting } = this;
    let flight = this.first;
    this.first = undefined;
    this.last = undefined;
    this.waiting = [];
    while (flight !== undefined) {
      const { next } = flight;
      this.end(flight, cause);
      flight = next;
    }
    for (const each of waiting) this.end(each, cause);
  }

  /** Tells the statement of its end; `cause` when the connection ended before it. */
  private end(flight: Flight, cause?: unknown): void {
    this.size--;
    flight.next = undefined;
    const empty = this.size === 0;
    if (empty) this.session.atRest();
    if (cause !== undefined && !(flight.written && flight.error !== undefined)) flight.lost(cause);
    else if (this.cancelSent && !flight.left && (flight.error as ServerError | undefined)?.code === CANCELLED) flight.struck();
    else flight.answered();
    if (empty && this.size === 0) this.onEmpty?.();
  }
}

/** What a mapper or a parser threw, so that it is an error whatever it was. */
function thrown(error: unknown): unknown {
  return error ?? new Error('a value was refused without a reason');
}

/** Once under its name, once without. */
const RESENDS = 2;

/** SQLSTATEs. */
const UNKNOWN_NAME = '26000';
const DUPLICATE_NAME = '42P05';
const VALUES_MISSING = '08P01';
const STALE_RESULT = '0A000';
/** The class of what the analysis of a statement finds wrong: a column that is gone, a type that has changed. */
const STALE = '42';
const CANCELLED = '57014';

/**
 * Gives an empty result its columns. What there is to find out about columns costs more than all the rest of a short result; where `known`
 * has the same ones, it is taken from there. Returns what is known now.
 */
function fill(result: DriverResult, fields: readonly DriverField[], known: Columns | undefined): Columns {
  if (known !== undefined && stillHolds(known, fields, result._types!)) {
    result.fields = fields.slice();
    result._parsers = known.parsers;
    result._prebuiltEmptyResultObject = known.blank;
    return known;
  }
  result.addFields(fields.slice());
  return { fields, parsers: result._parsers, blank: result._prebuiltEmptyResultObject };
}

/** Are these the same columns, and their parsers those of now? Parsers may be replaced at any time (`types.setTypeParser`). */
function stillHolds({ fields: known, parsers }: Columns, fields: readonly DriverField[], types: DriverTypes): boolean {
  if (known.length !== fields.length) return false;
  for (let i = 0; i < fields.length; i++) {
    const { name, dataTypeID, format } = fields[i]!;
    if (known[i]!.name !== name || types.getTypeParser(dataTypeID, format) !== parsers![i]) return false;
  }
  return true;
}
