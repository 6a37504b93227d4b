// The PROXY protocol, versions 1 and 2: what a load balancer says before the first byte of a client, so that hba and the log know
// the client and not the balancer. Whoever says it can be anybody, so it is believed only from addresses that are named.

import { isIP, SocketAddress, type Socket } from 'node:net';
import { addressesOf, isWithin, plainAddress } from '../config/addresses.ts';
import { Refused } from './refused.ts';

/** Where a client really comes from. */
export interface Source {
  readonly address: string;
  readonly port: number;
}

export interface ProxyHeader {
  /** In bytes; behind it the client begins. */
  readonly length: number;
  /** Undefined: the balancer speaks for itself, as when it looks whether we are there. */
  readonly source: Source | undefined;
}

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const MAX_LINE = 107;
/** Behind the addresses there may be more, which is not looked at; nobody has this much to say. */
const MAX_BINARY = 4_096;
const NO_HEADER = 'a PROXY protocol header was expected';

/** What stands at the beginning; undefined: it is not all there. Throws {@link Refused} if it is something else. */
export function readProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  const known = Math.min(bytes.length, SIGNATURE.length);
  if (bytes.subarray(0, known).equals(SIGNATURE.subarray(0, known))) return readBinary(bytes);
  const begin = bytes.toString('latin1', 0, Math.min(bytes.length, 6));
  if (!'PROXY '.startsWith(begin)) throw new Refused(NO_HEADER);
  const end = bytes.indexOf('\r\n');
  if (end < 0 && bytes.length < MAX_LINE) return undefined;
  if (end < 0 || end + 2 > MAX_LINE) throw new Refused('the PROXY protocol header is too long');
  const [, kind, address = '', , port = ''] = bytes.toString('latin1', 0, end).split(' ');
  if (kind === 'UNKNOWN') return { length: end + 2, source: undefined };
  const family = kind === 'TCP4' ? 4 : kind === 'TCP6' ? 6 : 0;
  const number = /^\d{1,5}$/.test(port) ? Number(port) : Infinity;
  if (family === 0 || isIP(address) !== family || number > 65_535) throw new Refused('the PROXY protocol header makes no sense');
  return { length: end + 2, source: { address: plainAddress(address), port: number } };
}

function readBinary(bytes: Buffer): ProxyHeader | undefined {
  if (bytes.length < 16) return undefined;
  const [command, family, size] = [bytes[12]!, bytes[13]!, bytes.readUInt16BE(14)];
  if (command !== 0x20 && command !== 0x21) throw new Refused('the PROXY protocol header makes no sense');
  if (size > MAX_BINARY) throw new Refused('the PROXY protocol header is too long');
  const length = 16 + size;
  if (bytes.length < length) return undefined;
  const width = family === 0x11 ? 4 : family === 0x21 ? 16 : 0;
  if (command === 0x20 || width === 0) return { length, source: undefined };
  if (size < 2 * width + 4) throw new Refused('the PROXY protocol header makes no sense');
  const address = bytes.subarray(16, 16 + width);
  const text = width === 4 ? address.join('.') : address.toString('hex').replace(/(.{4})(?=.)/g, '$1:');
  return { length, source: { address: plainAddress(width === 4 ? text : shortened(text)), port: bytes.readUInt16BE(16 + 2 * width) } };
}

/** An IPv6 address as it is usually written. */
function shortened(address: string): string {
  return new SocketAddress({ address, family: 'ipv6' }).address;
}

/** Whether what this address says is believed. `trusted`: addresses, or ranges of them. */
export function isTrusted(address: string, trusted: readonly string[]): boolean {
  return trusted.some((each) => {
    const range = addressesOf(each);
    return typeof range !== 'string' && isWithin(address, range);
  });
}

/** Reads the header off a socket, and leaves it paused before the first byte of the client. */
export function takeProxyHeader(socket: Socket): Promise<Source | undefined> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const over = (): void => {
      socket.off('data', onData).off('close', onClose);
      socket.pause();
    };
    const onClose = (): void => {
      over();
      reject(new Refused(NO_HEADER));
    };
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      try {
        const header = readProxyHeader(bytes);
        if (header === undefined) return;
        over();
        if (bytes.length > header.length) socket.unshift(bytes.subarray(header.length));
        resolve(header.source);
      } catch (error) {
        over();
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    };
    socket.on('data', onData).on('close', onClose);
  });
}
