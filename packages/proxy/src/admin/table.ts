// What a console command answers.

import type { Cell, ColumnType, Report } from '../wire/pg/write.ts';

export interface Table {
  readonly columns: readonly (readonly [name: string, type: ColumnType])[];
  readonly rows: readonly (readonly Cell[])[];
}

/** Rows, or only the words that the command is done with. */
export interface Answer {
  readonly table?: Table;
  /** Said before it. */
  readonly notice?: Report;
  /** As in CommandComplete. */
  readonly tag: string;
}

/** The command cannot be done; the console goes on. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  /** SQLSTATE. */
  readonly code: string;

  constructor(message: string, code = '08P01') {
    super(message);
    this.code = code;
  }
}

/** A time as consoles show it: whole seconds, and microseconds besides. */
export function secondsAndRest(ms: number): readonly [seconds: number, us: number] {
  return [Math.floor(ms / 1000), Math.floor((ms % 1000) * 1000)];
}

/** `columns`: names, separated by blanks, each with its type behind a colon unless it is text. */
export function show(columns: string, rows: Table['rows']): Answer {
  const named = columns.trim().split(/\s+/).map((column) => {
    const [name, type = 'text'] = column.split(':');
    return [name!, type as ColumnType] as const;
  });
  return { table: { columns: named, rows }, tag: 'SHOW' };
}
