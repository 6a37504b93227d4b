// The parent of several workers: starts them and starts them again, divides between them what is limited, and hands their questions on.
// It relays nothing itself: no client is connected to it.

import { fork, type ChildProcess } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Family } from '../http/exposition.ts';
import type { Log } from '../log.ts';
import type { ShutdownWait } from '../proxy.ts';
import { NOBODY, sumOf, type ClientCounts } from './census.ts';
import { Departed } from './departed.ts';
import { Ledger } from './ledger.ts';
import type { Answers, Down, Question, Result, Up } from './messages.ts';
import { Standing } from './standing.ts';
import { sumFamilies } from './sums.ts';

export interface SupervisorInit {
  readonly file: string;
  readonly size: number;
  readonly quiet: boolean;
  readonly verbose: number;
  readonly log: Log;
  /** The file has been read again by all. */
  readonly reloaded: () => void;
}

interface Worker {
  readonly number: number;
  readonly process: ChildProcess;
  readonly startedAt: number;
  counts: ClientCounts;
  ready: boolean;
}

/** A question of all workers, and who has yet to answer. */
interface Poll {
  readonly question: Question;
  readonly waiting: Set<Worker>;
  readonly results: Result[];
  readonly done: (results: Result[]) => void;
}

/** Of a worker that ends soon after its start the next one is started later, and later. */
const SOON_MS = 10_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 10_000;
const LOOK_EVERY_MS = 100;

export class Supervisor {
  readonly #init: SupervisorInit;
  readonly #workers = new Map<number, Worker>();
  readonly #ledger = new Ledger();
  readonly #polls = new Map<number, Poll>();
  /** Questions of workers, by worker and the number they have there. */
  readonly #asked = new Map<string, number>();
  readonly #standing = new Standing();
  readonly #departed = new Departed();
  readonly #pauses = new Map<number, number>();
  #lastPoll = 0;
  #closing = false;
  #started: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined = undefined;
  /** Called when it is closing and the last worker has gone. */
  onGone: () => void = () => undefined;

  constructor(init: SupervisorInit) {
    this.#init = init;
    setInterval(() => {
      this.#ledger.lookAgain();
      this.#settle();
    }, LOOK_EVERY_MS).unref();
  }

  get log(): Log {
    return this.#init.log;
  }

  get isClosing(): boolean {
    return this.#closing;
  }

  get isPaused(): boolean {
    return this.#standing.isPaused;
  }

  /** Resolves when all workers listen; rejects when one of them cannot. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject };
      for (let number = 1; number <= this.#init.size; number++) this.#fork(number);
    });
  }

  /** Asks all workers that are there. */
  async ask<Kind extends Question['kind']>(question: Extract<Question, { kind: Kind }>): Promise<Result<Answers[Kind]>[]> {
    return await this.#poll(question, undefined, () => undefined) as Result<Answers[Kind]>[];
  }

  // ------------------------------------------------------------------------------------------------------- of all of them

  /** What they have measured together. */
  async families(): Promise<Family[]> {
    return sumFamilies((await this.ask({ kind: 'metrics' })).map((result) => (result.ok ? result.value : [])));
  }

  async obstacle(): Promise<string | undefined> {
    if (this.#closing) return 'shutting down';
    const results = await this.ask({ kind: 'obstacle' });
    if (results.length === 0) return 'not listening yet';
    // As long as one can be reached clients may come.
    const obstacles = results.map((result) => (result.ok ? result.value : result.message));
    return obstacles.includes(undefined) ? undefined : obstacles[0];
  }

  async close({ wait }: { readonly wait?: ShutdownWait } = {}): Promise<void> {
    await this.#command('shutdown', wait === undefined ? undefined : `wait_for_${wait}`);
    if (this.#workers.size === 0) this.onGone();
  }

  pause(): Promise<void> {
    return this.#command('pause');
  }

  resume(): void {
    void this.#command('resume');
  }

  reload(): Promise<void> {
    return this.#command('reload');
  }

  /** Of a signal: what cannot be done there is nobody to tell, but the log. */
  async #command(name: string, argument?: string): Promise<void> {
    const failure = (await this.ask({ kind: 'command', name, argument })).find((result) => !result.ok);
    if (failure?.ok === false) this.#init.log.error(failure.message);
  }

  // ------------------------------------------------------------------------------------------------------- one of them

  #fork(number: number): void {
    const { file, size, quiet, verbose, log } = this.#init;
    const program = fileURLToPath(new URL(`./worker${extname(import.meta.url)}`, import.meta.url));
    const args = [number, size, verbose].map(String);
    const child = fork(program, [...args, file, ...quiet ? ['quiet'] : []], {
      serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const worker: Worker = { number, process: child, startedAt: performance.now(), counts: NOBODY, ready: false };
    this.#workers.set(number, worker);
    child.on('message', (message: Up) => this.#take(worker, message))
      .on('error', (error) => log.error(`worker ${number}: ${error.message}`))
      .once('exit', (code, signal) => this.#gone(worker, signal ?? `code ${code}`));
    void this.#prepare(worker);
  }

  /** It is to be as the others are before clients come to it. */
  async #prepare(worker: Worker): Promise<void> {
    for (const question of this.#standing.questions()) await this.#poll(question, (each) => each === worker, () => undefined, false);
    this.#send(worker, { kind: 'listen' });
  }

  #send({ process: child }: Worker, message: Down): void {
    // One that is about to go is not told; that it has gone is seen by its exit.
    if (child.connected) child.send(message, () => undefined);
  }

  #take(worker: Worker, message: Up): void {
    switch (message.kind) {
      case 'ready': this.#ready(worker); break;
      case 'failed': this.#failed(worker, message.message); break;
      case 'claims':
        for (const claim of message.claims) this.#ledger.claim(worker.number, claim, performance.now());
        this.#settle();
        break;
      case 'counts':
        worker.counts = message.counts;
        this.#tellCounts(worker);
        break;
      case 'ask': this.#asks(worker, message); break;
      case 'withdraw': this.#withdraw(this.#asked.get(`${worker.number} ${message.id}`), message.reason); break;
      case 'answer': this.#answered(worker, message.id, message.result); break;
    }
  }

  #ready(worker: Worker): void {
    worker.ready = true;
    this.#init.log.info(`worker ${worker.number} is up (pid=${worker.process.pid})`);
    this.#send(worker, { kind: 'elsewhere', counts: this.#countsBeside(worker) });
    if (this.#workers.size < this.#init.size || [...this.#workers.values()].some(({ ready }) => !ready)) return;
    this.#started?.resolve();
    this.#started = undefined;
  }

  #failed({ number }: Worker, message: string): void {
    this.#init.log.error(`worker ${number} cannot start: ${message}`);
    this.#started?.reject(new Error(message));
  }

  #settle(): void {
    for (const [number, grants] of this.#ledger.settle(performance.now())) {
      const worker = this.#workers.get(number);
      if (worker !== undefined) this.#send(worker, { kind: 'grants', grants });
    }
  }

  #countsBeside(worker: Worker): ClientCounts {
    return sumOf([...this.#workers.values()].filter((each) => each !== worker).map(({ counts }) => counts));
  }

  #tellCounts(from: Worker): void {
    for (const each of this.#workers.values()) if (each !== from) this.#send(each, { kind: 'elsewhere', counts: this.#countsBeside(each) });
  }

  // ------------------------------------------------------------------------------------------------------- questions

  #asks(worker: Worker, { id, question, others }: Extract<Up, { kind: 'ask' }>): void {
    const name = `${worker.number} ${id}`;
    const among = (each: Worker): boolean => !others || each !== worker;
    void this.#poll(question, among, (poll) => this.#asked.set(name, poll)).then((results) => {
      this.#asked.delete(name);
      this.#send(worker, { kind: 'results', id, results });
    });
  }

  async #poll(
    question: Question, among: ((worker: Worker) => boolean) | undefined, numbered: (id: number) => void, lasts = true,
  ): Promise<Result[]> {
    const waiting = new Set([...this.#workers.values()].filter((each) => among?.(each) ?? true));
    const id = ++this.#lastPoll;
    numbered(id);
    if (isShutdown(question)) this.#closing = true;
    const results = await new Promise<Result[]>((done) => {
      if (waiting.size === 0) {
        done([]);
        return;
      }
      this.#polls.set(id, { question, waiting, results: [], done });
      for (const worker of waiting) this.#send(worker, { kind: 'question', id, question });
    });
    if (lasts && results.some(({ ok }) => ok)) this.#done(question);
    return [...results, ...this.#departed.results(question.kind)];
  }

  #done(question: Question): void {
    this.#standing.note(question);
    if (question.kind === 'command' && question.name === 'reload') this.#init.reloaded();
  }

  #answered(worker: Worker, id: number, result: Result): void {
    const poll = this.#polls.get(id);
    if (poll === undefined || !poll.waiting.delete(worker)) return;
    poll.results.push(result);
    if (result.ok) this.#departed.remember(worker.number, poll.question.kind, result.value);
    this.#look(id, poll);
  }

  #look(id: number, { waiting, results, done }: Poll): void {
    if (waiting.size > 0) return;
    this.#polls.delete(id);
    done(results);
  }

  #withdraw(id: number | undefined, reason: unknown): void {
    const poll = id === undefined ? undefined : this.#polls.get(id);
    for (const worker of poll?.waiting ?? []) this.#send(worker, { kind: 'withdrawn', id: id!, reason });
  }

  // ------------------------------------------------------------------------------------------------------- the end of one

  #gone(worker: Worker, how: string): void {
    const { number, process: child, startedAt } = worker;
    const { log } = this.#init;
    this.#workers.delete(number);
    this.#departed.leave(number);
    this.#ledger.leave(number);
    this.#settle();
    this.#tellCounts(worker);
    for (const [name, id] of this.#asked) if (name.startsWith(`${number} `)) this.#withdraw(id, undefined);
    for (const [id, poll] of this.#polls) if (poll.waiting.delete(worker)) this.#look(id, poll);
    if (this.#closing) {
      if (this.#workers.size === 0) this.onGone();
      return;
    }
    if (this.#started !== undefined) {
      this.#started.reject(new Error(`worker ${number} ended before it was up: ${how}`));
      return;
    }
    const lived = performance.now() - startedAt;
    const pause = lived > SOON_MS ? FIRST_PAUSE_MS : Math.min(MAX_PAUSE_MS, (this.#pauses.get(number) ?? FIRST_PAUSE_MS / 2) * 2);
    this.#pauses.set(number, pause);
    log.warn(`worker ${number} has ended (pid=${child.pid}, ${how}), another one is started in ${pause} ms`);
    setTimeout(() => {
      if (!this.#closing) this.#fork(number);
      else if (this.#workers.size === 0) this.onGone();
    }, pause);
  }
}

function isShutdown(question: Question): boolean {
  if (question.kind !== 'command' || question.name !== 'shutdown') return false;
  return [undefined, 'wait_for_clients', 'wait_for_servers'].includes(question.argument?.toLowerCase());
}
