// The listeners of an emitter that is lent: what was there when it was made stays, what borrowers added goes, what they removed comes back.

import type { EventEmitter } from 'node:events';

type Listener = (...args: unknown[]) => void;

/** What it needs of an emitter; those of drivers have it. */
type Emitter = Pick<EventEmitter, 'eventNames' | 'rawListeners' | 'removeAllListeners' | 'on'>;

export class KeptListeners {
  private readonly emitter: Emitter;
  private readonly kept = new Map<string | symbol, readonly unknown[]>();

  /** Those that are there now are to stay. */
  constructor(emitter: Emitter) {
    this.emitter = emitter;
    for (const name of emitter.eventNames()) this.kept.set(name, emitter.rawListeners(name));
  }

  count(name: string): number {
    return this.kept.get(name)?.length ?? 0;
  }

  restore(): void {
    const { emitter, kept } = this;
    for (const name of new Set([...emitter.eventNames(), ...kept.keys()])) {
      const wanted = kept.get(name) ?? [];
      const present = emitter.rawListeners(name);
      if (present.length === wanted.length && present.every((each, index) => each === wanted[index])) continue;
      emitter.removeAllListeners(name);
      for (const listener of wanted) emitter.on(name, listener as Listener);
    }
  }
}
