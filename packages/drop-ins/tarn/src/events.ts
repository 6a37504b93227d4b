// tarn's events. A listener that throws is logged and keeps nobody else from hearing.

import { EventEmitter } from 'node:events';

export type Log = (message: string, level: 'warn') => unknown;

export class Events {
  readonly emitter: EventEmitter = new EventEmitter();
  readonly log: Log;
  #lastId = 0;

  constructor(log: Log | undefined) {
    this.log = log ?? (() => undefined);
  }

  /** The number that joins a request and its outcome. */
  nextId(): number {
    return ++this.#lastId;
  }

  emit(name: string, ...values: unknown[]): void {
    if (this.emitter.listenerCount(name) === 0) return;
    for (const listener of this.emitter.listeners(name) as ((...values: unknown[]) => void)[]) {
      try {
        listener(...values);
      } catch (error) {
        this.log(`Tarn: event handler "${name}" threw an exception ${described(error)}`, 'warn');
      }
    }
  }
}

export function described(error: unknown): string {
  return String(error instanceof Error ? error.stack : error);
}
