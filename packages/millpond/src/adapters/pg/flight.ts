// One statement on its way to the server and back. What becomes of it is told to it by the pipe (pipe.ts) that it was sent through.

import type { DriverResult, DriverTypes } from './driver.ts';
import type { Prepared } from './statements.ts';

export abstract class Flight {
  /** The one behind it in the pipe. */
  next: Flight | undefined = undefined;
  readonly text: string;
  readonly values: readonly unknown[] | undefined;
  readonly rowMode: 'array' | undefined;
  readonly types: DriverTypes | undefined;

  /** Its caller has left: a deadline passed, or a signal aborted. */
  left = false;
  /** Goes without a name, whatever recurs. */
  unnamed = false;
  /** How often it was sent again because the server had lost the prepared statement, or its plan. */
  resent = 0;

  // Of this attempt:
  /** The name under which it runs; undefined: none. */
  prepared: Prepared | undefined = undefined;
  /** It carries the Parse of its prepared statement. */
  parses = false;
  /** The server has taken its values; before that nothing of it has been executed. */
  bound = false;
  /** Its bytes have left, or may have. */
  written = false;
  result: DriverResult | undefined = undefined;
  error: unknown = undefined;

  constructor(text: string, values: readonly unknown[] | undefined, rowMode: 'array' | undefined, types: DriverTypes | undefined) {
    this.text = text;
    this.values = values;
    this.rowMode = rowMode;
    this.types = types;
  }

  /** The server is through with it: `result` or `error` is there. */
  abstract answered(): void;

  /** The connection has ended before. If it was {@link written}, nobody knows whether it took effect; otherwise it did not. */
  abstract lost(cause: unknown): void;

  /** A cancel that was meant for another hit it. It has no effect and can be run again. */
  abstract struck(): void;

  /** A new attempt begins. */
  restart(): void {
    this.next = undefined;
    this.prepared = undefined;
    this.parses = false;
    this.bound = false;
    this.written = false;
    this.result = undefined;
    this.error = undefined;
  }
}
