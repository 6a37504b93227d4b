// Addresses of IPv4 and IPv6 as numbers, and ranges of them.

import { isIP } from 'node:net';

export interface AddressRange {
  readonly family: 4 | 6;
  readonly base: bigint;
  readonly mask: bigint;
}

const WIDTH = { 4: 32n, 6: 128n } as const;
const IPV4_IN_IPV6 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** As whoever reads a log would write it: an IPv4 client of a socket for both is an IPv4 client. */
export function plainAddress(address: string): string {
  return IPV4_IN_IPV6.exec(address)?.[1] ?? address;
}

function ofIpv4(address: string): bigint {
  return address.split('.').reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function ofIpv6(address: string): bigint {
  // The last two groups may be written as an IPv4 address.
  const text = address.replace(/%.*$/, '').replace(/\d+\.\d+\.\d+\.\d+$/, (last) => {
    const number = ofIpv4(last);
    return `${(number >> 16n).toString(16)}:${(number & 0xffffn).toString(16)}`;
  });
  const [head = '', tail] = text.split('::');
  const groups = (part: string): string[] => part.split(':').filter((group) => group !== '');
  const behind = tail === undefined ? [] : groups(tail);
  const before = groups(head);
  const between = Array.from({ length: 8 - before.length - behind.length }, () => '0');
  return [...before, ...between, ...behind].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

function numberOf(address: string): { readonly family: 4 | 6; readonly value: bigint } | undefined {
  switch (isIP(address)) {
    case 4: return { family: 4, value: ofIpv4(address) };
    case 6: return { family: 6, value: ofIpv6(address) };
    default: return undefined;
  }
}

/** A range by its address and its number of bits, or a mask. What is wrong with it if it is none. */
export function rangeOf(address: string, mask: string): AddressRange | string {
  const base = numberOf(address);
  if (base === undefined) return `not an address: ${address}`;
  const width = WIDTH[base.family];
  const all = (1n << width) - 1n;
  let bits: bigint;
  if (/^\d{1,3}$/.test(mask)) {
    if (BigInt(mask) > width) return `not a mask: ${mask}`;
    bits = all ^ ((1n << (width - BigInt(mask))) - 1n);
  } else {
    const found = numberOf(mask);
    if (found?.family !== base.family) return mask === '' ? 'no mask' : `not a mask: ${mask}`;
    bits = found.value;
  }
  if ((base.value & ~bits & all) !== 0n) return `address ${address} has bits that its mask ${mask} leaves out, and would fit nobody`;
  return { family: base.family, base: base.value, mask: bits };
}

/** A range as it is written in a list: an address alone, or with its number of bits. */
export function addressesOf(text: string): AddressRange | string {
  const [address = '', bits] = text.split('/');
  return rangeOf(address, bits ?? (isIP(address) === 6 ? '128' : '32'));
}

export function isWithin(address: string, { family, base, mask }: AddressRange): boolean {
  const number = numberOf(plainAddress(address));
  return number?.family === family && (number.value & mask) === base;
}
