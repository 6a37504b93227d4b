// Builds messages. Each function returns one whole message; several are joined by who sends them.

import { AUTH, CANCEL_REQUEST, FROM_CLIENT, FROM_SERVER, PROTOCOL_3_0, SSL_REQUEST } from './types.ts';

const NUL = Buffer.from([0]);

/** A message of this type. */
export function message(type: number, ...parts: readonly (Buffer | string)[]): Buffer {
  const body = parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part));
  const header = Buffer.alloc(5);
  header[0] = type;
  header.writeInt32BE(body.reduce((sum, { length }) => sum + length, 4), 1);
  return Buffer.concat([header, ...body]);
}

/** A packet without a type, as they come before there is a session. */
function packet(...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([int32(parts.reduce((sum, { length }) => sum + length, 4)), ...parts]);
}

export function text(value: string): Buffer {
  return Buffer.concat([Buffer.from(value), NUL]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

// ------------------------------------------------------------------------------------------------ from a client

export function startup(parameters: ReadonlyMap<string, string>, version: number = PROTOCOL_3_0): Buffer {
  const pairs = [...parameters].flatMap(([name, value]) => [text(name), text(value)]);
  return packet(int32(version), ...pairs, NUL);
}

export function sslRequest(): Buffer {
  return packet(int32(SSL_REQUEST));
}

export function cancelRequest(key: Buffer): Buffer {
  return packet(int32(CANCEL_REQUEST), key);
}

export function query(sql: string): Buffer {
  return message(FROM_CLIENT.query, text(sql));
}

export function password(secret: string): Buffer {
  return message(FROM_CLIENT.password, text(secret));
}

export function saslInitial(mechanism: string, first: string): Buffer {
  const answer = Buffer.from(first);
  return message(FROM_CLIENT.password, text(mechanism), int32(answer.length), answer);
}

export function saslResponse(answer: string): Buffer {
  return message(FROM_CLIENT.password, answer);
}

export function sync(): Buffer {
  return message(FROM_CLIENT.sync);
}

export function copyFail(reason: string): Buffer {
  return message(FROM_CLIENT.copyFail, text(reason));
}

export function terminate(): Buffer {
  return message(FROM_CLIENT.terminate);
}

/** `types`: the parameters' types as the client gave them, behind the statement. */
export function parse(name: string, sql: Buffer, types: Buffer): Buffer {
  return message(FROM_CLIENT.parse, text(name), sql, NUL, types);
}

/** `kind`: S for a statement, P for a portal. */
export function close(kind: 'S' | 'P', name: string): Buffer {
  return message(FROM_CLIENT.close, kind, text(name));
}

// ------------------------------------------------------------------------------------------------ from a server

export interface Report {
  /** Default: ERROR, of a notice NOTICE. */
  readonly severity?: 'ERROR' | 'FATAL' | 'NOTICE';
  /** SQLSTATE. */
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
}

export function errorResponse(error: Report): Buffer {
  return report(FROM_SERVER.errorResponse, { severity: 'ERROR', ...error });
}

export function noticeResponse(notice: Report): Buffer {
  return report(FROM_SERVER.noticeResponse, { severity: 'NOTICE', ...notice });
}

function report(type: number, { severity, code, message: words, detail, hint }: Report): Buffer {
  const fields: [string, string | undefined][] = [['S', severity], ['V', severity], ['C', code], ['M', words], ['D', detail], ['H', hint]];
  const given = fields.flatMap(([field, value]) => (value === undefined ? [] : [field, text(value)]));
  return message(type, ...given, NUL);
}

/** `status`: one of TRANSACTION. */
export function readyForQuery(status: number): Buffer {
  return message(FROM_SERVER.readyForQuery, Buffer.from([status]));
}

export function parameterStatus(name: string, value: string): Buffer {
  return message(FROM_SERVER.parameterStatus, text(name), text(value));
}

/** `key`: process and secret as the client is to send them back in a cancel. */
export function backendKeyData(key: Buffer): Buffer {
  return message(FROM_SERVER.backendKeyData, key);
}

export function authentication(code: number, ...more: readonly (Buffer | string)[]): Buffer {
  return message(FROM_SERVER.authentication, int32(code), ...more);
}

export function authenticationSasl(mechanisms: readonly string[]): Buffer {
  return authentication(AUTH.sasl, ...mechanisms.map((mechanism) => text(mechanism)), NUL);
}

/** The newest minor version that is spoken here, and the parameters that are not known here. */
export function negotiateProtocolVersion(minor: number, unknown: readonly string[]): Buffer {
  return message(FROM_SERVER.negotiateProtocolVersion, int32(minor), int32(unknown.length), ...unknown.map((name) => text(name)));
}

export function commandComplete(tag: string): Buffer {
  return message(FROM_SERVER.commandComplete, text(tag));
}

export function emptyQueryResponse(): Buffer {
  return message(FROM_SERVER.emptyQueryResponse);
}

export type ColumnType = 'text' | 'int4' | 'int8' | 'numeric' | 'bytea';

const OIDS: Readonly<Record<ColumnType, { readonly oid: number; readonly size: number }>> = {
  text: { oid: 25, size: -1 }, int4: { oid: 23, size: 4 }, int8: { oid: 20, size: 8 }, numeric: { oid: 1700, size: -1 },
  bytea: { oid: 17, size: -1 },
};

/** Which columns are in binary; of one that is not there, the text format. */
export type Formats = readonly boolean[];

export function rowDescription(columns: readonly (readonly [name: string, type: ColumnType])[], formats: Formats = []): Buffer {
  const fields = columns.map(([name, type], index) => Buffer.concat([
    text(name), int32(0), int16(0), int32(OIDS[type].oid), int16(OIDS[type].size), int32(-1), int16(Number(formats[index] === true)),
  ]));
  return message(FROM_SERVER.rowDescription, int16(columns.length), ...fields);
}

export type Cell = string | number | bigint | Buffer | null | undefined;

type Value = Exclude<Cell, null | undefined>;

function textOf(cell: Value): Buffer {
  return Buffer.isBuffer(cell) ? Buffer.from(`\\x${cell.toString('hex')}`) : Buffer.from(String(cell));
}

function binaryOf(cell: Value, type: ColumnType): Buffer {
  switch (type) {
    case 'int4': return int32(Number(cell));
    case 'int8': {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64BE(BigInt(String(cell)));
      return bytes;
    }
    case 'numeric': return numeric(BigInt(String(cell)));
    default: return Buffer.isBuffer(cell) ? cell : Buffer.from(String(cell));
  }
}

/** A whole number as numeric: its digits to the base of 10 000, the most significant one first. */
function numeric(value: bigint): Buffer {
  const digits: number[] = [];
  for (let rest = value < 0n ? -value : value; rest > 0n; rest /= 10_000n) digits.unshift(Number(rest % 10_000n));
  const sign = value < 0n ? 0x4000 : 0;
  return Buffer.concat([digits.length, Math.max(0, digits.length - 1), sign, 0, ...digits].map((part) => int16(part)));
}

/** `types`: only needed for what is in binary. */
export function dataRow(cells: readonly Cell[], formats: Formats = [], types: readonly ColumnType[] = []): Buffer {
  const fields = cells.map((cell, index) => {
    if (cell === null || cell === undefined) return int32(-1);
    const bytes = formats[index] === true ? binaryOf(cell, types[index] ?? 'text') : textOf(cell);
    return Buffer.concat([int32(bytes.length), bytes]);
  });
  return message(FROM_SERVER.dataRow, int16(cells.length), ...fields);
}
