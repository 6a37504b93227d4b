// What this adapter knows of the inside of mysql2, version 3. Everything that is not in its documentation is named here and nowhere else: a
// new version of it is checked against this file.
//
// mysql2 does not tell in what state a connection is: whether a transaction is open is in the status flags of each answer, and it reads
// past them. So each packet is looked at on its way to `handlePacket`. That costs a few nanoseconds per row and no round trip.

import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { Duplex } from 'node:stream';
import { PoolError } from '../../index.ts';
import type { MysqlConnection, MysqlDriver, MysqlField } from './types.ts';

/** A net.Socket, a TLSSocket, or what the `stream` option made. */
export interface DriverStream extends Duplex {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  ref?(): unknown;
  unref?(): unknown;
  /** Ends, and is destroyed when all is written. */
  destroySoon?(): void;
}

/** One packet, header included: it begins at `start` in `buffer` and stops before `end`. The instance is used again for the next one. */
export interface DriverPacket {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

/** A command on its way: a query, a ping, the handshake. Which of these members it has depends on its kind. */
interface DriverCommand {
  /** The function that is to have the next packet. */
  readonly next?: unknown;
  readonly sql?: string;
  readonly query?: string;
  readonly statement?: { readonly query?: string };
  readonly row?: unknown;
  readonly resultsetHeader?: unknown;
  readonly infileOk?: unknown;
  readonly pingResponse?: unknown;
  readonly resetConnectionResponse?: unknown;
  readonly handshakeResult?: unknown;
}

export type DriverCallback = (error: Error | null | undefined, rows?: unknown, fields?: MysqlField[]) => void;
type Done = (error?: Error | null) => void;

export interface DriverConnection extends EventEmitter {
  /** Replaced when TLS begins. */
  readonly stream: DriverStream;
  readonly config: {
    readonly host?: string; readonly port?: number; readonly socketPath?: string;
    readonly user?: string; readonly database?: string; readonly charsetNumber?: number; readonly multipleStatements?: boolean;
  };
  readonly threadId: number | null;
  readonly _command?: DriverCommand | null;
  readonly _commands: { readonly length: number };
  readonly _handshakePacket?: { readonly serverVersion?: string } | null;
  readonly _paused?: boolean;
  readonly _closing?: boolean;
  /** The prepared statements, by text; each closes itself at the server when it is put out. */
  readonly _statements: { values?(): Iterable<{ close(): unknown }> };
  handlePacket(packet?: DriverPacket): void;
  promise(): MysqlConnection;
  query(sql: string | object, values: unknown, callback: DriverCallback): unknown;
  execute(sql: string | object, values: unknown, callback: DriverCallback): unknown;
  ping(callback: Done): void;
  /** Since 3.16. */
  reset?(callback: Done): void;
  changeUser(options: object, callback: Done): void;
  /** COM_QUIT, behind what is under way. */
  end(): void;
}

/** An error of the server has both; one of the network or of the driver lacks `sqlState`. */
export interface ServerError extends Error {
  readonly errno: number;
  readonly sqlState: string;
}

export function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && typeof (error as Partial<ServerError>).sqlState === 'string';
}

/** The server ended a session that was silent for too long (4031): what was on its way to it then has not been read, and did not run. */
export function wasUnread(error: unknown): boolean {
  return isServerError(error) && error.errno === 4031;
}

/** The package `mysql2`. */
export function loadDriver(): MysqlDriver {
  let driver: Partial<MysqlDriver>;
  try {
    driver = createRequire(import.meta.url)('mysql2') as typeof driver;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    throw missing('millpond/mysql needs the package `mysql2`, 3 or newer: run `npm install mysql2`, or pass it as driver.', error);
  }
  if (typeof driver.createConnection !== 'function') throw missing('The package `mysql2` has no createConnection.', undefined);
  return driver as MysqlDriver;
}

function missing(message: string, cause: unknown): PoolError {
  return new PoolError(message, { code: 'ERR_POOL_DRIVER_MISSING', pool: 'mysql', ...(cause === undefined ? {} : { cause }) });
}

/** Begins to connect. */
export function createConnection(driver: MysqlDriver, options: object): DriverConnection {
  return driver.createConnection(options) as unknown as DriverConnection;
}

/** Is it the callback connection of mysql2, built as it is known here? */
export function isKnown(connection: Partial<DriverConnection>): boolean {
  return typeof connection.stream?.destroy === 'function' && typeof connection.handlePacket === 'function'
    && typeof connection.promise === 'function' && connection._commands !== undefined;
}

/** Is a command running or queued? */
export function isBusy({ _command, _commands }: DriverConnection): boolean {
  return (_command !== undefined && _command !== null) || _commands.length > 0;
}

/** Whether the connection can still take a statement, as far as it is known without asking the server. */
export function isUsable(connection: DriverConnection): boolean {
  return connection.stream.writable && connection._closing !== true;
}

/** As the server says it, such as `8.0.40` or `10.11.19-MariaDB-log`. */
export function versionOf(connection: DriverConnection): string {
  return connection._handshakePacket?.serverVersion ?? '';
}

/** Is the goodbye sent, or about to be? */
export function isClosing(connection: DriverConnection): boolean {
  return connection._closing === true;
}

/** Has somebody stopped to read, as a stream does whose reader is slow? */
export function isPaused(connection: DriverConnection): boolean {
  return connection._paused === true;
}

/**
 * Before the server drops the prepared statements of a session. mysql2 then empties its list, too, but it would say goodbye to each at the
 * server, in a write of its own.
 */
export function forgetStatements({ _statements }: DriverConnection): void {
  for (const statement of _statements.values?.() ?? []) statement.close = () => undefined;
}

const SECRETS = new Set(['password', 'password2', 'password3', 'passwordSha1', 'ssl']);
const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/**
 * What is lent has the options of its connect inside, and ends up in logs. (The properties themselves stay as they are: V8 makes an object
 * slow when one of them is hidden, and mysql2 looks at these for each statement.)
 */
export function hideSecrets({ config }: DriverConnection): void {
  Object.defineProperty(config, INSPECT, { value: withoutSecrets });
}

function withoutSecrets(this: object): object {
  return Object.fromEntries(Object.entries(this).filter(([key]) => !SECRETS.has(key)));
}

// ------------------------------------------------------------------------------------------------------------------------ packets

/** What is told of the packets as they come. */
export interface PacketSink {
  /** The status flags of an answer, or of a part of one. */
  status(flags: number): void;
  /** The default database is another one now. */
  schemaChanged(): void;
  /** An error of the server, before the driver makes it one; `sql`: of the statement, if it is one. */
  failed(errno: number, sql: string | undefined, message: () => string): void;
  /** A statement ended in the middle of its rows: the rest of them will be taken for the answer to another one. */
  derailed(): void;
  /** Is {@link atRest} of interest to anybody now? */
  readonly isWaitedFor: boolean;
  /** Nothing is running and nothing is queued. */
  atRest(): void;
}

const OK = 0x00;
const EOF = 0xfe;
const ERR = 0xff;
const HEADER = 4;
const SESSION_STATE_CHANGED = 0x4000;
const SESSION_TRACK_SCHEMA = 1;

/** What is kept with a connection whose packets are looked at. */
interface Tap {
  readonly sink: PacketSink;
  readonly handlePacket: (this: DriverConnection, packet?: DriverPacket) => void;
  /** How many packets have been handled. */
  handled: number;
}

const TAP = Symbol('millpond.mysql.tap');

type Tapped = DriverConnection & { [TAP]: Tap };

/** Sees to it that `sink` is told of all packets from now on. */
export function tapPackets(connection: DriverConnection, sink: PacketSink): void {
  const { handlePacket } = connection;
  Object.defineProperty(connection, TAP, { value: { sink, handlePacket, handled: 0 } });
  connection.handlePacket = handleTapped;
}

/** One function for all connections, not one each: this is the hottest place of all, and the engine inlines what it knows. */
function handleTapped(this: DriverConnection, packet?: DriverPacket): void {
  const tap = (this as Tapped)[TAP];
  // Without a packet: a command begins. Paused: it is kept, and will come by again.
  if (packet === undefined || this._paused === true) {
    tap.handlePacket.call(this, packet);
    return;
  }
  const { sink } = tap;
  const command = this._command;
  const isRow = look(packet, command ?? undefined, sink);
  const nth = ++tap.handled;
  tap.handlePacket.call(this, packet);
  // A row is never the last packet of an answer. (Unless others were handled meanwhile, because a stream was resumed.)
  if (isRow && this._command !== command && nth === tap.handled) sink.derailed();
  if (sink.isWaitedFor && !isBusy(this)) sink.atRest();
}

/** Tells the sink what there is to tell. True: it is a row. */
function look(packet: DriverPacket, command: DriverCommand | undefined, sink: PacketSink): boolean {
  const { buffer, start, end } = packet;
  const at = start + HEADER;
  const first = buffer[at];
  if (first === EOF && end - at === 5) {
    sink.status(buffer.readUInt16LE(at + 3));
  } else if (first === ERR && end - at >= 3) {
    const errno = buffer.readUInt16LE(at + 1);
    // Behind the number, `#` and the five characters of the SQLSTATE.
    sink.failed(errno, command?.sql ?? command?.query ?? command?.statement?.query, () => buffer.toString('utf8', at + 9, end));
  } else if (command !== undefined && command.next !== undefined && command.next === command.row) {
    return true;
  } else if (first === OK && command !== undefined && awaitsOk(command)) {
    readOk(buffer, at + 1, end, sink);
  }
  return false;
}

function awaitsOk(command: DriverCommand): boolean {
  const { next } = command;
  if (next === undefined || next === null) return false;
  return next === command.resultsetHeader || next === command.infileOk || next === command.pingResponse
    || next === command.resetConnectionResponse || next === command.handshakeResult;
}

/** Affected rows, last id, flags, warnings; then, if the flags say so, a text and what changed in the session. */
function readOk(buffer: Buffer, from: number, end: number, sink: PacketSink): void {
  let at = afterNumber(buffer, afterNumber(buffer, from));
  if (at + 2 > end) return;
  const flags = buffer.readUInt16LE(at);
  sink.status(flags);
  if ((flags & SESSION_STATE_CHANGED) === 0) return;
  at += 4;
  at = afterNumber(buffer, at) + numberAt(buffer, at, end); // the text
  at = afterNumber(buffer, at); // the length of all changes
  while (at < end) {
    if (buffer[at] === SESSION_TRACK_SCHEMA) sink.schemaChanged();
    at = afterNumber(buffer, at + 1) + numberAt(buffer, at + 1, end);
  }
}

/** Behind a length-encoded number. */
function afterNumber(buffer: Buffer, at: number): number {
  const first = buffer[at] ?? 0;
  if (first < 0xfb) return at + 1;
  return at + (first === 0xfc ? 3 : first === 0xfd ? 4 : 9);
}

/** A length-encoded number, if it is one of those that a packet this short can hold. */
function numberAt(buffer: Buffer, at: number, end: number): number {
  const first = buffer[at] ?? 0;
  if (first < 0xfb) return first;
  if (first === 0xfc && at + 3 <= end) return buffer.readUInt16LE(at + 1);
  if (first === 0xfd && at + 4 <= end) return buffer.readUIntLE(at + 1, 3);
  return end;
}
