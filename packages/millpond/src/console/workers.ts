// Pools of worker threads: a worker that calls `shareWithConsole` answers the consoles of its process once a second while somebody looks.
// A BroadcastChannel carries plain data both ways; neither side keeps the process alive or waits for the other. A worker remembers nothing
// of who asks: each question says what its asker wants and has heard already, and each answer whom it is for.

import { BroadcastChannel, threadId } from 'node:worker_threads';
import { act, ActionError } from './actions.ts';
import type { EventLog } from './events.ts';
import { Recorder } from './recorder.ts';
import { snapshotOf, type PoolDetail, type Snapshot, type Wish } from './view.ts';

const CHANNEL = 'millpond:console';
/** Of a worker that has said nothing for so long nothing is shown. */
const FRESH_MS = 3_500;
const ANSWER_MS = 2_000;
const MOST_THREADS = 1_000;

type Message =
  /** `heard`: the newest event of each thread that the asker has. */
  | { readonly kind: 'ask'; readonly by: string; readonly wish: Wish; readonly heard: ReadonlyMap<number, number> }
  | { readonly kind: 'answer'; readonly to: string; readonly from: number; readonly wish: Wish; readonly snapshot: Snapshot }
  | { readonly kind: 'act'; readonly to: number; readonly call: string; readonly action: unknown }
  | { readonly kind: 'acted'; readonly call: string; readonly text?: string; readonly error?: string };

type Answer = Extract<Message, { kind: 'answer' }> & { readonly at: number };

let consoles = 0;

/** What a console hears of the workers. */
export class Workers {
  readonly #name = `${threadId}:${++consoles}`;
  readonly #channel = new BroadcastChannel(CHANNEL);
  readonly #log: EventLog;
  /** By thread and wish, the newest last. */
  readonly #answers = new Map<string, Answer>();
  readonly #heard = new Map<number, number>();
  readonly #calls = new Map<string, (message: Extract<Message, { kind: 'acted' }>) => void>();
  #nextCall = 1;

  /** Their events go into this log. */
  constructor(log: EventLog) {
    this.#log = log;
    this.#channel.unref();
    this.#channel.onmessage = ({ data }) => {
      const message = data as Message;
      if (message.kind === 'answer' && message.to === this.#name) this.#take(message);
      else if (message.kind === 'acted') this.#calls.get(message.call)?.(message);
    };
  }

  /** Has the workers tell what is to be shown next. */
  ask(wish: Wish): void {
    this.#channel.postMessage({ kind: 'ask', by: this.#name, wish, heard: this.#heard } satisfies Message);
  }

  /** The same snapshot with what the workers last said about this wish. */
  added(own: Snapshot, wish: Wish): Snapshot {
    const answers = this.#fresh(wish);
    if (answers.length === 0) return own;
    const all = answers.map(({ snapshot }) => snapshot);
    const sum = (of: (snapshot: Snapshot) => number): number => all.reduce((total, snapshot) => total + of(snapshot), of(own));
    const detailed = (detail: PoolDetail | undefined): boolean => detail !== undefined && detail.id === wish.pool;
    return {
      ...own,
      pools: [...own.pools, ...all.flatMap(({ pools }) => pools.filter(({ id }) => wish.search === undefined || id.includes(wish.search)))],
      morePools: sum(({ morePools }) => morePools),
      detail: own.detail ?? all.map(({ detail }) => detail).find(detailed),
      eventsLeftOut: sum(({ eventsLeftOut }) => eventsLeftOut),
    };
  }

  /** Has the worker of a pool do something. Rejects with {@link ActionError}. */
  act(to: number, action: unknown): Promise<string> {
    const call = `${this.#name}:${this.#nextCall++}`;
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

  #take(answer: Extract<Message, { kind: 'answer' }>): void {
    const { from, wish, snapshot } = answer;
    const key = keyOf(from, wish);
    this.#answers.delete(key);
    this.#answers.set(key, { ...answer, at: performance.now() });
    // Two questions may have crossed one answer.
    const known = this.#heard.get(from) ?? 0;
    for (const event of snapshot.events) if (event.id > known) this.#log.adopt(event);
    this.#heard.set(from, Math.max(known, snapshot.events.at(-1)?.id ?? 0));
    // Threads come and go, and no number is used twice.
    if (this.#heard.size > MOST_THREADS) this.#heard.delete(this.#heard.keys().next().value!);
  }

  /** One answer of each worker: to this very wish, or to another one until it is there. */
  #fresh(wish: Wish): Answer[] {
    const now = performance.now();
    const [latest, exact] = [new Map<number, Answer>(), new Map<number, Answer>()];
    for (const [key, answer] of this.#answers) {
      if (now - answer.at > FRESH_MS) {
        this.#answers.delete(key);
        continue;
      }
      latest.set(answer.from, answer);
      if (key === keyOf(answer.from, wish)) exact.set(answer.from, answer);
    }
    return [...new Map([...latest, ...exact]).values()];
  }
}

function keyOf(thread: number, { pool = '', search = '' }: Wish): string {
  return JSON.stringify([thread, pool, search]);
}

/** The other thread that a pool with this id is in. */
export function threadOf(id: string): number | undefined {
  const thread = Number(/^worker:(\d+):/.exec(id)?.[1] ?? threadId);
  return thread === threadId ? undefined : thread;
}

/**
 * Shows the pools of this worker thread in the console of its process, `actions` included if that console has them. Returns how to stop.
 * To be called once, in the worker.
 */
export function shareWithConsole(): () => void {
  const recorder = new Recorder();
  const channel = new BroadcastChannel(CHANNEL);
  channel.unref();
  channel.onmessage = ({ data }) => {
    const message = data as Message;
    if (message.kind === 'ask') {
      const { by, wish, heard } = message;
      const snapshot = snapshotOf(recorder, false, { ...wish, eventsAfter: heard.get(threadId) ?? 0 });
      channel.postMessage({ kind: 'answer', to: by, from: threadId, wish, snapshot } satisfies Message);
    } else if (message.kind === 'act' && message.to === threadId) {
      channel.postMessage({ kind: 'acted', call: message.call, ...done(recorder, message.action) } satisfies Message);
    }
  };
  return () => {
    channel.close();
    recorder.stop();
  };
}

function done(recorder: Recorder, action: unknown): { readonly text: string } | { readonly error: string } {
  try {
    return { text: act(recorder, action) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
