// Things to do with a connection that has come to rest, unless it is busy again by then. A connection rests for a moment after each use;
// what these do would cost more than the use if it were done each time.
//
// Above all: an idle connection must not keep the process alive, and one at work must. Whoever still rests after a tenth of a second is
// taken off the list of reasons to go on; the next byte that is sent puts it back on.

export const UNREFERENCE_AFTER_MS = 100;

export class Sweep<S> {
  private readonly resting = new Set<S>();
  private timer: NodeJS.Timeout | undefined = undefined;
  private readonly afterMs: number;
  private readonly act: (connection: S) => void;

  /** `act` is called for whatever came to rest, and looks by itself whether it still does. */
  constructor(afterMs: number, act: (connection: S) => void) {
    this.afterMs = afterMs;
    this.act = act;
  }

  add(connection: S): void {
    this.resting.add(connection);
    this.timer ??= setTimeout(() => this.sweep(), this.afterMs).unref();
  }

  private sweep(): void {
    this.timer = undefined;
    const found = [...this.resting];
    this.resting.clear();
    for (const connection of found) this.act(connection);
  }
}
