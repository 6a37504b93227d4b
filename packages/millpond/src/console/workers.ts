// Pools of worker threads: a worker that calls `shareWithConsole` answers the consoles of its process once a second while somebody looks.
// A BroadcastChannel carries plain data both ways; neither side keeps the process alive or waits for the other.

import { BroadcastChannel, threadId } from 'node:worker_threads';
import { act, ActionError } from './actions.ts';
import type { ConsoleEvent } from './events.ts';
import { Recorder } from './recorder.ts';
import { snapshotOf, type Snapshot, type Wish } from './view.ts';

const CHANNEL = 'millpond:console';
/** Of a worker that has said nothing for so long nothing is shown. */
const FRESH_MS = 3_500;
const ANSWER_MS = 2_000;

type Message =
  | { readonly kind: 'ask'; readonly wish: Wish }
  | { readonly kind: 'answer'; readonly from: number; readonly snapshot: Snapshot }
  | { readonly kind: 'act'; readonly to: number; readonly call: string; readonly action: unknown }
  | { readonly kind: 'acted'; readonly call: string; readonly text?: string; readonly error?: string };

/** What a console hears of the workers. */
export class Workers {
  readonly #channel = new BroadcastChannel(CHANNEL);
  readonly #heard = new Map<number, { readonly snapshot: Snapshot; readonly at: number }>();
  readonly #calls = new Map<string, (message: Extract<Message, { kind: 'acted' }>) => void>();
  #nextCall = 1;

  constructor() {
    this.#channel.unref();
    this.#channel.onmessage = ({ data }) => {
      const message = data as Message;
      if (message.kind === 'answer') this.#heard.set(message.from, { snapshot: message.snapshot, at: performance.now() });
      else if (message.kind === 'acted') this.#calls.get(message.call)?.(message);
    };
  }

  /** Has the workers tell what is to be shown next. */
  ask(wish: Wish): void {
    this.#channel.postMessage({ kind: 'ask', wish } satisfies Message);
  }

  /** The same snapshot with the workers' pools. */
  added(own: Snapshot): Snapshot {
    const now = performance.now();
    for (const [thread, { at }] of this.#heard) if (now - at > FRESH_MS) this.#heard.delete(thread);
    if (this.#heard.size === 0) return own;
    const all = [...this.#heard.values()].map(({ snapshot }) => snapshot);
    const sum = (of: (snapshot: Snapshot) => number): number => all.reduce((total, snapshot) => total + of(snapshot), of(own));
    return {
      ...own,
      pools: [...own.pools, ...all.flatMap(({ pools }) => pools)],
      morePools: sum(({ morePools }) => morePools),
      detail: own.detail ?? all.find(({ detail }) => detail !== undefined)?.detail,
      events: [...own.events, ...all.flatMap(({ events }) => events)].sort((a, b) => a.at - b.at),
      eventsLeftOut: sum(({ eventsLeftOut }) => eventsLeftOut),
    };
  }

  /** Has the worker of a pool do something. Rejects with {@link ActionError}. */
  act(to: number, action: unknown): Promise<string> {
    const call = `${process.pid}:${threadId}:${this.#nextCall++}`;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#calls.delete(call);
      };
      const timer = setTimeout(() => {
        end();
        reject(new ActionError(`worker ${to} did not answer within ${ANSWER_MS} ms`));
      }, ANSWER_MS);
      this.#calls.set(call, ({ text, error }) => {
        end();
        if (text === undefined) reject(new ActionError(error ?? 'the worker did not say why'));
        else resolve(text);
      });
      this.#channel.postMessage({ kind: 'act', to, call, action } satisfies Message);
    });
  }

  close(): void {
    this.#channel.close();
  }
}

/** The thread of a pool's id, and its id there; undefined for one of the thread that shows it. */
export function threadOf(id: string): { readonly thread: number; readonly id: string } | undefined {
  const found = /^worker:(\d+):(.*)$/s.exec(id);
  return found === null || Number(found[1]) === threadId ? undefined : { thread: Number(found[1]), id: found[2]! };
}

/**
 * Shows the pools of this worker thread in the console of its process, `actions` included if that console has them. Returns how to stop.
 * To be called once, in the worker.
 */
export function shareWithConsole(): () => void {
  const recorder = new Recorder();
  const channel = new BroadcastChannel(CHANNEL);
  channel.unref();
  let told = 0;
  channel.onmessage = ({ data }) => {
    const message = data as Message;
    if (message.kind === 'ask') {
      const there = message.wish.pool === undefined ? undefined : ownId(message.wish.pool);
      const snapshot = snapshotOf(recorder, false, { ...message.wish, pool: there, eventsAfter: told });
      told = snapshot.events.at(-1)?.id ?? told;
      channel.postMessage({ kind: 'answer', from: threadId, snapshot: { ...snapshot,
        events: snapshot.events.map(ofThread) } } satisfies Message);
    } else if (message.kind === 'act' && message.to === threadId) {
      channel.postMessage({ kind: 'acted', call: message.call, ...done(recorder, message.action) } satisfies Message);
    }
  };
  return () => {
    channel.close();
    recorder.stop();
  };
}

function ownId(id: string): string | undefined {
  const found = /^worker:(\d+):(.*)$/s.exec(id);
  return found !== null && Number(found[1]) === threadId ? found[2] : undefined;
}

/** Ids of events are the thread's own; a page that shows several threads tells them apart. */
function ofThread(event: ConsoleEvent): ConsoleEvent {
  return { ...event, id: threadId * 1e9 + event.id, pool: `worker:${threadId}:${event.pool}` };
}

function done(recorder: Recorder, action: unknown): { readonly text: string } | { readonly error: string } {
  try {
    return { text: act(recorder, action) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
