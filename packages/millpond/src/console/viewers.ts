// Whoever looks at the moment, over server-sent events. One reading a second serves them all; one who does not read fast enough is sent
// away instead of being kept waiting for in memory, and the page comes back by itself.

import type { Recorder } from './recorder.ts';
import { snapshotOf, type Snapshot, type Wish } from './view.ts';
import type { Workers } from './workers.ts';

/** Where a viewer is. */
export interface Outlet {
  /** False: it has not taken what it was given before. */
  send(text: string): boolean;
  end(): void;
}

const MOST_VIEWERS = 32;
/** How long the browser waits before it comes back, in ms. */
const RETRY_MS = 1_000;

export class Viewers {
  readonly #recorder: Recorder;
  readonly #workers: Workers;
  readonly #actions: boolean;
  readonly #all = new Map<Outlet, Wish>();
  #told = 0;

  constructor(recorder: Recorder, workers: Workers, actions: boolean) {
    this.#recorder = recorder;
    this.#workers = workers;
    this.#actions = actions;
    recorder.onTick(() => this.#tellAll());
  }

  get count(): number {
    return this.#all.size;
  }

  /** A viewer more, who is told everything now and what is new from then on. False: there are too many. */
  add(outlet: Outlet, wish: Wish): boolean {
    if (this.#all.size >= MOST_VIEWERS) return false;
    // Who comes first is told everything that has been; what is new counts from here.
    if (this.#all.size === 0) this.#told = this.#newest();
    this.#all.set(outlet, wish);
    this.#workers.ask(wish);
    outlet.send(`retry: ${RETRY_MS}\n${message('hello', this.look(wish))}`);
    return true;
  }

  remove(outlet: Outlet): void {
    this.#all.delete(outlet);
  }

  /** The present, workers included as far as they have told. */
  look(wish: Wish): Snapshot {
    return this.#workers.added(snapshotOf(this.#recorder, this.#actions, wish), wish);
  }

  end(): void {
    for (const outlet of this.#all.keys()) outlet.end();
    this.#all.clear();
  }

  #newest(): number {
    return this.#recorder.log.since(this.#told).at(-1)?.id ?? this.#told;
  }

  #tellAll(): void {
    if (this.#all.size === 0) return;
    // Those who look at the same are told the same, and it is made once.
    const made = new Map<string, string>();
    const newest = this.#newest();
    for (const [outlet, wish] of this.#all) {
      const key = JSON.stringify(wish);
      let text = made.get(key);
      if (text === undefined) {
        this.#workers.ask({ ...wish, points: 1 });
        text = message('now', this.look({ ...wish, eventsAfter: this.#told, points: 1 }));
        made.set(key, text);
      }
      if (outlet.send(text)) continue;
      this.#all.delete(outlet);
      outlet.end();
    }
    this.#told = newest;
  }
}

function message(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
