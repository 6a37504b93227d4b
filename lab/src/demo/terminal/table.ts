// Tables in plain text. Columns are as wide as their widest cell; the first is aligned left, figures right.
import { padEnd, padStart, paint, widthOf, type Style } from './style.ts';

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => string;
  readonly left?: boolean;
}

const GAP = '  ';

export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], style: Style): string[] {
  const cells = rows.map((row) => columns.map((column) => column.cell(row)));
  const widths = columns.map((column, index) => Math.max(widthOf(column.head), ...cells.map((line) => widthOf(line[index] ?? ''))));
  const line = (texts: readonly string[]): string => texts
    .map((text, index) => (columns[index]?.left ? padEnd : padStart)(text, widths[index] ?? 0))
    .join(GAP).trimEnd();
  const rule = (style.unicode ? '─' : '-').repeat(tableWidth(widths));
  return [
    paint(style, line(columns.map((column) => column.head)), 'bold'),
    paint(style, rule, 'dim'),
    ...cells.map(line),
  ];
}

/**
 * The same as one table where it fits into `width`, otherwise as several below each other, each led by the first column: every figure
 * stays in sight and no line is wrapped by the terminal.
 */
export function tables<Row>(columns: readonly Column<Row>[], rows: readonly Row[], style: Style, width: number): string[][] {
  const [lead, ...rest] = columns;
  if (!lead) return [];
  const parts: Column<Row>[][] = [];
  let part: Column<Row>[] = [lead];
  for (const column of rest) {
    const wider = [...part, column];
    if (part.length > 1 && widthOf(table(wider, rows, { ...style, color: false })[1] ?? '') > width) {
      parts.push(part);
      part = [lead, column];
    } else {
      part = wider;
    }
  }
  parts.push(part);
  return parts.map((some) => table(some, rows, style));
}

function tableWidth(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);
}
