// Tables in plain text. Columns are as wide as their widest cell; the first is aligned left, figures right.
import { padEnd, padStart, paint, widthOf, type Style } from './style.ts';

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => string;
  readonly left?: boolean;
  /** Columns of one group stay together where the table has to be cut. */
  readonly group?: string;
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
 * stays in sight and no line is wrapped by the terminal. It is cut between groups first, and inside a group only if that is too wide.
 */
export function tables<Row>(columns: readonly Column<Row>[], rows: readonly Row[], style: Style, width: number): string[][] {
  const [lead, ...rest] = columns;
  if (!lead) return [];
  const fits = (some: readonly Column<Row>[]): boolean => {
    const [, rule = ''] = table([lead, ...some], rows, { ...style, color: false });
    return widthOf(rule) <= width;
  };
  const names = [...new Set(rest.map((column) => column.group))];
  const groups = fits(rest) ? [rest] : names.map((name) => rest.filter((column) => column.group === name));
  return groups.flatMap((group) => cut(group, fits)).map((some) => table([lead, ...some], rows, style));
}

/** As many as fit, again and again; one at least. */
function cut<C>(columns: readonly C[], fits: (some: readonly C[]) => boolean): C[][] {
  const parts: C[][] = [];
  let part: C[] = [];
  for (const column of columns) {
    if (part.length > 0 && !fits([...part, column])) {
      parts.push(part);
      part = [];
    }
    part.push(column);
  }
  return part.length > 0 ? [...parts, part] : parts;
}

function tableWidth(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);
}
