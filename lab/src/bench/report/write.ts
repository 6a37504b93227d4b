// How a figure of the benchmark is written, the same in the terminal, in the page and in Markdown: three digits that mean something.
import { count } from '../../drawing/format.ts';
import type { Column, Figure, Row, Section, Target, Unit } from '../chapter.ts';
import type { Origin } from '../machine.ts';

const SPACE = '\u00a0';
const NONE = '–';

/** Without its unit: '37', '1 178', '0.62', '12.4'. */
export function number(value: number): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return NONE;
  if (size >= 99.95 || Number.isInteger(value)) return count(value);
  if (size >= 9.995) return value.toFixed(1);
  return value.toFixed(2);
}

/** With its unit: '37 ns', '2.10 ×'. */
export function quantity(value: number, unit: Unit): string {
  if (unit === '') return number(value);
  const digits = unit === '×' && value < 9.995 ? value.toFixed(2) : number(value);
  return `${digits}${SPACE}${unit}`;
}

/** 'CPU ns', and 'answers/s', where the unit is said already. */
export function headOf({ head, unit }: Column): string {
  return unit === '' || unit === '×' || head.endsWith(unit) ? head : `${head}${SPACE}${unit}`;
}

export interface Cell {
  readonly text: string;
  /** Lowest and highest, where they are not the same and it is not a ratio: '36–41'. */
  readonly spread: string;
}

export function cellOf(row: Row, column: Column): Cell {
  const figure = row.cells[column.id];
  if (figure === undefined) return { text: row.words?.[column.id] ?? NONE, spread: '' };
  if (column.unit === '×') return { text: quantity(figure.median, '×'), spread: '' };
  return { text: number(figure.median), spread: spreadOf(figure) };
}

function spreadOf({ low, high }: Figure): string {
  const [from, to] = [number(low), number(high)];
  return from === to ? '' : `${from}–${to}`;
}

/** The best figure of a column that says which way is better; where there is nothing to compare, none. */
export function bestOf(section: Section, column: Column): number | undefined {
  const values = section.rows.flatMap((row) => row.reference === true ? [] : row.cells[column.id]?.median ?? []);
  if (column.better === undefined || values.length < 2) return undefined;
  return column.better === 'less' ? Math.min(...values) : Math.max(...values);
}

/** 'uncontended at most 2.5 × the floor: 2.1' */
export function targetWords(target: Target): string {
  return `${target.text}: ${number(target.value)}`;
}

/** 'Xeon, 2 cores, 24 GB, Linux 6.1 x64, Node 20.20.2' */
export function machineWords({ machine }: Origin): string {
  const { cpu, cores, memoryBytes, system, node } = machine;
  const memory = `${Math.round(memoryBytes / 2 ** 30)}${SPACE}GB`;
  return `${cpu}, ${cores}${SPACE}${cores === 1 ? 'core' : 'cores'}, ${memory}, ${system}, Node${SPACE}${node}`;
}

/** '2026-11-27, commit 1a2b3c4d5e, load 0.3 before and 1.2 after, took 214 s' */
export function originWords({ date, commit, load, tookMs }: Origin): string {
  const words = commit === 'no git' ? commit : `commit ${commit}`;
  return `${date.slice(0, 10)}, ${words}, load ${load.start.toFixed(1)} before and ${load.end.toFixed(1)} after, `
    + `took ${Math.round(tookMs / 1000)}${SPACE}s`;
}

/** 'generic-pool 3.9.0, tarn 3.1.2' */
export function versionWords({ versions }: Origin): string {
  return Object.entries(versions).map(([name, version]) => `${name}${SPACE}${version}`).join(', ');
}
