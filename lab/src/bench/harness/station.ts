// The place where one contender is measured: a child process of its own, so that its machine code, its heap and its collector's habits are
// not another's. It stays alive over the rounds, warmed up, and does something only while it is asked; a chapter asks one at a time.
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface StationOptions {
  /** For the child's command line, readable there as `process.argv`. */
  readonly args?: readonly string[];
  readonly execArgv?: readonly string[];
  readonly signal?: AbortSignal;
}

/** An answer that did not come in time. The station is gone with it. */
export class TooSlow extends Error {
  readonly afterMs: number;

  constructor(afterMs: number) {
    super(`no answer within ${afterMs / 1000} s`);
    this.name = 'TooSlow';
    this.afterMs = afterMs;
  }
}

export type Answer = { readonly value: unknown } | { readonly error: string };

interface Asked {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class Station {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #asked: Asked | undefined;
  #gone: Error | undefined;
  #words = '';

  /** Starts `module` (a URL beside the caller, as `new URL('./worker.js', import.meta.url)`), which calls {@link serve}. */
  constructor(module: URL, { args = [], execArgv = [], signal }: StationOptions = {}) {
    this.#child = fork(fileURLToPath(module), [...args], {
      execArgv: [...execArgv], serialization: 'advanced', stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => { this.#words = (this.#words + text).slice(-4000); });
    this.#child.on('message', (answer: Answer) => this.#settle(answer));
    const abort = (): void => this.kill(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => this.#fail(error));
      this.#child.once('close', (code, by) => {
        signal?.removeEventListener('abort', abort);
        const said = this.#words.trim();
        this.#fail(new Error(`its process ended (${by ?? `exit code ${code}`})${said === '' ? '' : `: ${firstLines(said)}`}`));
        resolve();
      });
    });
    if (signal?.aborted === true) abort();
  }

  /** One question at a time. Rejects with what the child threw, with {@link TooSlow} (and kills it), or when it is gone. */
  ask<T>(question: unknown, withinMs = 60_000): Promise<T> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => this.kill(new TooSlow(withinMs)), withinMs);
      const settled = (): void => {
        clearTimeout(timer);
        this.#asked = undefined;
      };
      this.#asked = {
        resolve: (value) => { settled(); resolve(value as T); },
        reject: (error) => { settled(); reject(error); },
      };
      this.#child.send(question as object, (error) => { if (error !== null) this.#fail(error); });
    });
  }

  kill(reason: unknown = new Error('ended')): void {
    this.#fail(reason);
    this.#child.kill('SIGKILL');
  }

  /** Resolves when the process is gone. */
  async close(): Promise<void> {
    this.kill();
    await this.#ended;
  }

  #settle(answer: Answer): void {
    if ('error' in answer) this.#asked?.reject(new Error(answer.error));
    else this.#asked?.resolve(answer.value);
  }

  #fail(reason: unknown): void {
    this.#gone ??= reason instanceof Error ? reason : new Error(String(reason));
    this.#asked?.reject(this.#gone);
  }
}

/** The child's side: answers each question with what `answer` returns or throws. Ends when the parent goes. */
export function serve(answer: (question: never) => unknown): void {
  process.on('message', (question) => {
    void Promise.resolve().then(() => answer(question as never)).then(
      (value): Answer => ({ value }),
      (error: unknown): Answer => ({ error: error instanceof Error ? error.stack ?? error.message : String(error) }),
    ).then((reply) => process.send?.(reply));
  });
  process.on('disconnect', () => process.exit());
}

/** Enough of a crash to see what it was. */
function firstLines(text: string): string {
  return text.split('\n').filter((line) => line.trim() !== '').slice(0, 6).map((line) => line.trim()).join(' | ').slice(0, 400);
}
