// Things to do with a connection that has come to rest, unless it is busy again by then. With each statement a connection rests for a
// moment; what these two do would cost more than the statement if it were done each time.
//
// - An idle connection must not keep the process alive, and one at work must. Whoever still rests after a tenth of a second is taken off
//   the list of reasons to go on; the next byte that is sent puts it back on (session.ts).
// - What the last borrower left behind goes with the next one's first statement, which may be long in coming. Until then its advisory locks
//   would stand in other people's way; so after a second the cleaning goes alone.

import type { Session } from './session.ts';

export const UNREFERENCE_AFTER_MS = 100;
export const TIDY_AFTER_MS = 1_000;

export class Sweep {
  private readonly resting = new Set<Session>();
  private timer: NodeJS.Timeout | undefined = undefined;
  private readonly afterMs: number;
  private readonly act: (session: Session) => void;

  constructor(afterMs: number, act: (session: Session) => void) {
    this.afterMs = afterMs;
    this.act = act;
  }

  add(session: Session): void {
    this.resting.add(session);
    this.timer ??= setTimeout(() => this.sweep(), this.afterMs).unref();
  }

  private sweep(): void {
    this.timer = undefined;
    const found = [...this.resting];
    this.resting.clear();
    for (const session of found) this.act(session);
  }
}
