// The text exposition format, version 0.0.4, which every Prometheus reads.

import type { Pool } from '../../pool.ts';
import { familiesOf, named, type Value } from './families.ts';

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** A family that no pool has anything to tell of is left out. */
export function textOf(pools: Iterable<Pool<unknown>>, bucketsMs: readonly number[]): string {
  const all = named(pools);
  const lines: string[] = [];
  for (const { name, help, type, read } of familiesOf(bucketsMs)) {
    const values = all.flatMap((pool) => read(pool));
    if (values.length === 0) continue;
    lines.push(`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${type}`, ...values.map((value) => lineOf(value)), '');
  }
  return lines.join('\n');
}

function lineOf({ name, labels, value }: Value): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text).replaceAll('"', String.raw`\"`)}"`);
  return `${name}{${pairs.join(',')}} ${value}`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', String.raw`\\`).replaceAll('\n', String.raw`\n`);
}
