// What a chapter of the benchmark is, and what it hands back. A chapter measures; the harness runs it, writes the result as JSON, and
// draws it in the terminal, in the page and in the documents. Everything that is shown follows from these types alone, so a chapter never
// draws anything, and a figure that is in one of the four places is in all of them.

export interface Chapter {
  /** The word on the command line. */
  readonly name: string;
  readonly title: string;
  /** A sentence or two: what is measured here and how. */
  readonly about: string;
  /** The ids that `--only` takes, for this chapter. */
  readonly contenders: readonly string[];
  /** Runs only when it is named: it takes too long to come with the others. */
  readonly onRequest?: boolean;
  run(context: BenchContext): Promise<ChapterResult>;
}

export interface BenchContext {
  /** Fewer and shorter rounds: to see that everything works, not to quote from. */
  readonly quick: boolean;
  /** Asked for on the command line; a chapter has its own default, five at least unless `quick`. */
  readonly rounds: number | undefined;
  /** Ids of contenders; empty: all. Ids that only another chapter knows are among them: ignore those. */
  readonly only: readonly string[];
  /** Aborted by Ctrl-C: stop measuring, end what was started, reject with its reason. */
  readonly signal: AbortSignal;
  /** One line of what is being done, redrawn in place on a terminal. */
  progress(text: string): void;
}

export interface ChapterResult {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly sections: readonly Section[];
  /** How it was measured, and what the figures are not. */
  readonly notes: readonly string[];
  /** Contenders that failed, each with its reason. One of them, and the command exits with 1. */
  readonly failures: readonly string[];
}

export interface Section {
  /** Unique in the chapter; the fragment in the page. */
  readonly id: string;
  readonly title: string;
  /** What one operation is here. */
  readonly note: string;
  readonly columns: readonly Column[];
  /** In the order of the tables. */
  readonly rows: readonly Row[];
  readonly charts?: readonly (BarChart | LineChart)[];
  readonly targets: readonly Target[];
}

/** How a figure is written. '×' is a ratio, '' a number. */
export type Unit = 'ns' | 'µs' | 'ms' | 's' | 'B' | 'kB' | '×' | '/s' | '%' | '';

export interface Column {
  readonly id: string;
  readonly head: string;
  readonly unit: Unit;
  readonly about: string;
  readonly better?: 'less' | 'more';
}

export interface Row {
  /** The name that is shown. */
  readonly contender: string;
  /** Version and configuration. */
  readonly about: string;
  /** What it does NOT do in that run, in a few words; '' if it does everything. */
  readonly lacks: string;
  readonly ours: boolean;
  /** No competitor but something to compare with (a floor): it is never marked as the best. */
  readonly reference?: boolean;
  /** By the id of the column. */
  readonly cells: Readonly<Record<string, Figure | undefined>>;
  /** Stands in the cell where there is no figure: 'over 5 s', 'no signal'. */
  readonly words?: Readonly<Record<string, string>>;
  /** Why there are no figures, when it failed. */
  readonly failed?: string;
}

/** Over the rounds. */
export interface Figure {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export interface Target {
  /** 'uncontended at most 2.5 × the floor' */
  readonly text: string;
  readonly value: number;
  readonly limit: number;
  readonly holds: boolean;
  readonly sense: 'atMost' | 'atLeast';
}

/** A bar for each row that has a figure in that column, the best first. */
export interface BarChart {
  readonly kind: 'bars';
  readonly title: string;
  readonly subtitle: string;
  /** The id of a column of the section. */
  readonly column: string;
  /** Rows that would only stretch the axis, by their name. */
  readonly without?: readonly string[];
}

export interface LineChart {
  readonly kind: 'lines';
  readonly title: string;
  readonly subtitle: string;
  readonly xTitle: string;
  readonly yUnit: Unit;
  /** Both axes are logarithmic where this is so, otherwise x is logarithmic and y begins at nought. */
  readonly logarithmic: boolean;
  readonly series: readonly LineSeries[];
}

export interface LineSeries {
  readonly name: string;
  readonly ours: boolean;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}
