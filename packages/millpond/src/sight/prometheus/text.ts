// The text exposition format, version 0.0.4, which every Prometheus reads.

import type { Pool } from '../../pool.ts';
import { familiesOf, named, type Value } from './families.ts';

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** A family that no pool has anything to tell of is left out. */
export function textOf(pools: Iterable<Pool<unknown>>, bucketsMs: readonly number[]): string {
  const all = named(pools).map((pool) => ({ pool, label: `{pool="${quoted(pool.name)}"` }));
  const lines: string[] = [];
  for (const { name, help, type, read } of familiesOf(bucketsMs)) {
    const head = lines.length;
    for (const { pool, label } of all) for (const value of read(pool)) lines.push(lineOf(value, label));
    if (lines.length > head) lines.splice(head, 0, `# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${type}`);
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function lineOf({ name, label, text, value }: Value, pool: string): string {
  return label === undefined ? `${name}${pool}} ${value}` : `${name}${pool},${label}="${quoted(text)}"} ${value}`;
}

/** Hardly ever there, and looking for it first is a tenth of the work of replacing it. */
const SPECIAL = /[\\\n"]/;

function quoted(text: string): string {
  return SPECIAL.test(text) ? escaped(text).replaceAll('"', String.raw`\"`) : text;
}

function escaped(text: string): string {
  return text.replaceAll('\\', String.raw`\\`).replaceAll('\n', String.raw`\n`);
}
