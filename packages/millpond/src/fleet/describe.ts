// A view as text, for the person on call.

import type { FleetView, MemberView } from './protocol.ts';

const HEAD = ['member', 'held', 'permit', 'needs', 'wants', 'weight', 'silent', ''];

/** Who holds and wants what, those who are short first. Lines of text, without colours. */
export function describeFleet({ terms, learningMs, reserved, members }: FleetView): string {
  if (terms === undefined) return 'nobody has been here yet';
  const usable = terms.limit - terms.guard;
  const short = members.filter(isShort).sort((a, b) => b.shortMs - a.shortMs);
  const lines = [
    `${reserved} of ${usable} permits are reserved (limit ${terms.limit}, guard ${terms.guard}, floor ${terms.floor} each); `
      + `${members.length} of ${terms.members} members, ${short.length} short`,
  ];
  if (learningMs > 0) lines.push(`learning for another ${seconds(learningMs)}: nothing new is granted until then`);
  if (members.length === 0) return lines.join('\n');
  const rest = members.filter((each) => !isShort(each)).sort((a, b) => b.reserved - a.reserved);
  return [...lines, ...table([HEAD, ...[...short, ...rest].map(rowOf)])].join('\n');
}

function isShort({ shortMs }: MemberView): boolean {
  return shortMs > 0;
}

function rowOf({ name, held, permit, base, demand, weight, silentMs, shortMs, leaving, lends }: MemberView): string[] {
  const notes = [
    ...(shortMs > 0 ? [`waits since ${seconds(shortMs)}`] : []), ...(leaving ? ['leaving'] : []), ...(lends > 0 ? [`lends ${lends}`] : []),
  ];
  return [name, ...[held, permit, base, demand, weight].map(String), seconds(silentMs), notes.join(', ')];
}

function table(rows: readonly string[][]): string[] {
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => (
    row.map((cell, column) => column === 0 || column === HEAD.length - 1 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))
      .join('  ').trimEnd()));
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
