// What a client of PostgreSQL may send, message by message, and what comes back in a form that two can be compared by and read.

import { createHash } from 'node:crypto';
import { FROM_CLIENT, FROM_SERVER } from '../../../packages/proxy/src/wire/pg/types.ts';
import { close, message, parse, query, terminate, text } from '../../../packages/proxy/src/wire/pg/write.ts';
import { Reader, reportFields } from '../../../packages/proxy/src/wire/pg/read.ts';

export { close, query, terminate };

const int16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
};

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

/** Values with their lengths, behind their number; all in the text format. */
function values(given: readonly (string | null)[]): Buffer {
  return Buffer.concat([int16(given.length), ...given.flatMap((value) => {
    if (value === null) return [int32(-1)];
    const bytes = Buffer.from(value);
    return [int32(bytes.length), bytes];
  })]);
}

/** The server finds out the types by itself. */
export const prepare = (name: string, sql: string): Buffer => parse(name, Buffer.from(sql), int16(0));

export const bind = (portal: string, statement: string, parameters: readonly (string | null)[] = []): Buffer =>
  message(FROM_CLIENT.bind, text(portal), text(statement), int16(0), values(parameters), int16(0));

/** `kind`: S for a statement, P for a portal. */
export const describe = (kind: 'S' | 'P', name: string): Buffer => message(FROM_CLIENT.describe, kind, text(name));

/** `rows`: 0 is all of them. */
export const execute = (portal: string, rows = 0): Buffer => message(FROM_CLIENT.execute, text(portal), int32(rows));

export const sync = (): Buffer => message(FROM_CLIENT.sync);
export const flush = (): Buffer => message(FROM_CLIENT.flush);
export const copyData = (bytes: string | Buffer): Buffer => message(FROM_CLIENT.copyData, bytes);
export const copyDone = (): Buffer => message(FROM_CLIENT.copyDone);
export const copyFail = (why: string): Buffer => message(FROM_CLIENT.copyFail, text(why));

/** A call of a function by its oid, as they were before there were queries of several messages. */
export const callFunction = (oid: number, parameters: readonly string[]): Buffer =>
  message(FROM_CLIENT.functionCall, int32(oid), int16(0), values(parameters), int16(0));

/** Bodies up to this length are shown as they are. */
const SHOWN = 160;
const LETTERS = new Set<number>([FROM_SERVER.errorResponse, FROM_SERVER.noticeResponse]);

/** A message of a server as a line: the same for the same message, and what may differ between two servers is left out. */
export function shown(type: number, body: Buffer): string {
  const letter = String.fromCharCode(type);
  if (type === FROM_SERVER.backendKeyData) return letter;
  if (LETTERS.has(type)) return `${letter} ${[...reportFields(body)].map(([field, value]) => `${field}=${value}`).join(' ')}`;
  if (type === FROM_SERVER.notificationResponse) return `${letter} ${JSON.stringify(body.toString('latin1', 4))}`;
  if (body.length <= SHOWN) return body.length === 0 ? letter : `${letter} ${JSON.stringify(body.toString('latin1'))}`;
  return `${letter} of ${body.length} bytes, ${createHash('sha1').update(body).digest('hex')}`;
}

/** The values of a DataRow in the text format. */
export function cells(body: Buffer): (string | null)[] {
  const reader = new Reader(body);
  return Array.from({ length: reader.int16() }, () => {
    const length = reader.int32();
    return length < 0 ? null : reader.bytes(length).toString();
  });
}
