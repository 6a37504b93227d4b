// What the console answers, whoever carries the question: the page, a snapshot, a stream of snapshots, an action.

import { createHash } from 'node:crypto';
import type { PoolFilter } from '../sight/watch.ts';
import { isFromPage, judge, type Asker, type Auth } from './access.ts';
import { act, ActionError } from './actions.ts';
import { pageOf, SCRIPT, STYLE } from './page/page.ts';
import { Recorder } from './recorder.ts';
import type { Wish } from './view.ts';
import { Viewers } from './viewers.ts';
import { threadOf, Workers } from './workers.ts';

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The stream of {@link Desk.viewers} is wanted, for this. */
  readonly stream?: Wish;
}

const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** Nothing but what the page brings along may run, be loaded, or be sent anywhere. */
const POLICY = [
  "default-src 'none'", `script-src ${hash(SCRIPT)}`, `style-src ${hash(STYLE)}`, "connect-src 'self'", "img-src data:", "base-uri 'none'",
  "form-action 'none'", "frame-ancestors 'self'",
].join('; ');

const COMMON = {
  'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer', 'Content-Security-Policy': POLICY,
};

/** Whatever compresses or gathers on the way would keep what is new until much of it has come together. */
const STREAM = {
  ...COMMON, 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store, no-transform', 'X-Accel-Buffering': 'no',
};

export class Desk {
  readonly viewers: Viewers;
  readonly #recorder: Recorder;
  readonly #workers: Workers;
  readonly #actions: boolean;
  #closed = false;

  constructor(filter: PoolFilter | undefined, actions: boolean) {
    this.#recorder = new Recorder(filter);
    this.#workers = new Workers(this.#recorder.log);
    this.#actions = actions;
    this.viewers = new Viewers(this.#recorder, this.#workers, actions);
  }

  close(): void {
    this.#closed = true;
    this.viewers.end();
    this.#recorder.stop();
    this.#workers.close();
  }

  /** `path`: as it was asked for, whatever stands before the console in it. `body`: of an action. */
  async answer(asker: Asker, path: string, auth: Auth | undefined, body: () => Promise<unknown>): Promise<Reply> {
    const verdict = await judge(asker, auth);
    if (!verdict.may) return plain(verdict.status, verdict.why);
    if (this.#closed) return plain(503, 'The console has been closed.');
    const name = path.slice(path.lastIndexOf('/') + 1);
    const { method } = asker;
    if (name === 'actions') return method === 'POST' ? this.#act(asker, body) : notAllowed('POST');
    if (method !== 'GET' && method !== 'HEAD') return notAllowed('GET, HEAD');
    const cookie = verdict.remember === undefined ? {} : { 'Set-Cookie': verdict.remember };
    switch (name) {
      case 'snapshot': return this.#snapshot(asker);
      case 'events':
        return {
          status: 200, headers: STREAM, body: '',
          ...(method === 'HEAD' ? {} : { stream: wishOf(asker) }),
        };
      case '': break;
      // Relative addresses of the page need the slash. With a colon in it the name would be read as a scheme, and lead elsewhere.
      default: return { status: 302, headers: { ...COMMON, ...cookie, Location: `${name.includes(':') ? './' : ''}${name}/` }, body: '' };
    }
    // The token is not to stand in the address that people copy.
    if (verdict.remember !== undefined) return { status: 302, headers: { ...COMMON, ...cookie, Location: './' }, body: '' };
    return { status: 200, headers: { ...COMMON, 'Content-Type': 'text/html; charset=utf-8' }, body: pageOf() };
  }

  #snapshot(asker: Asker): Reply {
    const snapshot = this.viewers.look(wishOf(asker));
    this.#workers.ask(wishOf(asker));
    return { status: 200, headers: { ...COMMON, 'Content-Type': 'application/json' }, body: JSON.stringify(snapshot) };
  }

  async #act(asker: Asker, body: () => Promise<unknown>): Promise<Reply> {
    if (!this.#actions) return plain(403, 'This console only shows: actions are off.');
    if (!isFromPage(asker)) return plain(403, 'An action has the header X-Millpond-Console, and comes from the console itself.');
    try {
      const asked = await body();
      const id = String((asked as { readonly pool?: unknown } | null)?.pool);
      const thread = this.#recorder.find(id) === undefined ? threadOf(id) : undefined;
      const text = thread === undefined ? act(this.#recorder, asked) : await this.#workers.act(thread, asked);
      return { status: 200, headers: { ...COMMON, 'Content-Type': 'application/json' }, body: JSON.stringify({ text }) };
    } catch (error) {
      if (error instanceof ActionError || error instanceof SyntaxError) return plain(400, error.message);
      throw error;
    }
  }
}

function wishOf({ query }: Asker): Wish {
  const number = (name: string): number | undefined => {
    const text = query.get(name);
    return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  };
  return {
    pool: query.get('pool') ?? undefined, search: query.get('search') ?? undefined, eventsAfter: number('eventsAfter'),
      points: number('points'),
  };
}

function plain(status: number, text: string): Reply {
  const challenge = status === 401 ? { 'WWW-Authenticate': 'Bearer realm="millpond"' } : {};
  return { status, headers: { ...COMMON, ...challenge, 'Content-Type': 'text/plain; charset=utf-8' }, body: `${text}\n` };
}

function notAllowed(methods: string): Reply {
  return { status: 405, headers: { ...COMMON, Allow: methods, 'Content-Type': 'text/plain; charset=utf-8' }, body: `Only ${methods}.\n` };
}
