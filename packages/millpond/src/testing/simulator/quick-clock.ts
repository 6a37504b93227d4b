// A virtual clock that waits less long for promises. The one for tests must let any code come to rest; here all chains of promises are
// known and short, and a simulation lets things come to rest a million times.

import { VirtualClock } from '../clock.ts';

/** The longest chain in a world that ends without using the clock is half as long. */
const QUIET_TURNS = 14;

export class QuickClock extends VirtualClock {
  #activity = 0;

  override schedule(atMs: number, callback: () => void, keepAlive?: boolean): () => void {
    this.#activity++;
    return super.schedule(atMs, callback, keepAlive);
  }

  override async flush(): Promise<void> {
    let seen = this.#activity;
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      await null;
      if (this.#activity === seen) continue;
      seen = this.#activity;
      quiet = 0;
    }
  }
}
