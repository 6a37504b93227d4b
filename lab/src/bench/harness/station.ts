// The place where one contender is measured: a child process of its own, so that its machine code, its heap and its collector's habits are
// not another's. It stays alive over the rounds, warmed up, and does something only while it is asked; a chapter asks one at a time.
import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface StationOptions {
  /** For the child's command line, readable there as `process.argv`. */
  readonly args?: readonly string[];
  readonly execArgv?: readonly string[];
  readonly signal?: AbortSignal;
}

/** An answer that did not come in time. The station is gone with it. */
export class TooSlow extends Error {
  /** 'over 4 s of CPU' */
  readonly words: string;

  constructor(words: string) {
    super(`no answer: ${words}`);
    this.name = 'TooSlow';
    this.words = words;
  }
}

export interface Patience {
  /** Default 60 000. */
  readonly wallMs?: number;
  /** CPU time of the child, where the system tells (Linux); so that a busy machine does not make anybody slow. */
  readonly cpuMs?: number;
}

const PATIENCE_MS = 60_000;
const LOOK_MS = 100;

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
  ask<T>(question: unknown, { wallMs = PATIENCE_MS, cpuMs = Infinity }: Patience = {}): Promise<T> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => this.kill(new TooSlow(`stopped after ${wallMs / 1000} s`)), wallMs);
      const stopLooking = cpuMs === Infinity ? undefined : this.#watch(cpuMs);
      const settled = (): void => {
        clearTimeout(timer);
        stopLooking?.();
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

  #watch(mostMs: number): () => void {
    const before = cpuMsOf(this.#child.pid);
    const timer = setInterval(() => {
      if (cpuMsOf(this.#child.pid) - before > mostMs) this.kill(new TooSlow(`over ${mostMs / 1000} s of CPU`));
    }, LOOK_MS);
    return () => clearInterval(timer);
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

/** User and system time so far; NaN where the system does not tell. It counts in hundredths of a second. */
function cpuMsOf(pid: number | undefined): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return NaN;
  }
}

/** Enough of a crash to see what it was. */
function firstLines(text: string): string {
  return text.split('\n').filter((line) => line.trim() !== '').slice(0, 6).map((line) => line.trim()).join(' | ').slice(0, 400);
}
