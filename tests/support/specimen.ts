// A process of its own that can be frozen and woken, and is told what to do line by line. What it is told while it is frozen lies in its
// pipe and is read in the first turn of its event loop after it wakes, beside whatever its servers have sent meanwhile.

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { until } from './postgres.ts';

const OBEY = `
const { createInterface } = await import('node:readline');
const Task = Object.getPrototypeOf(async () => {}).constructor;
createInterface({ input: process.stdin }).on('line', (line) => {
  new Task('pool', 'state', line)(pool, state).then((said) => ({ said }), (error) => ({ failed: String(error), code: error?.code }))
    .then((answer) => process.stdout.write(JSON.stringify(answer) + '\\n'));
});
process.stdout.write('{"said":"ready"}\\n');`;

interface Answer {
  readonly said?: unknown;
  readonly failed?: string;
}

export class Specimen implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string>;
  #wrong = '';
  #frozenAt = 0;

  private constructor(setup: string) {
    const source = `${setup}\nconst state = {};\n${OBEY}`;
    this.#child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdin.on('error', () => undefined); // it has ended: whoever waits for an answer is told
    this.#child.stderr.on('data', (chunk) => { this.#wrong += String(chunk); });
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** `setup`: statements of a module, which leave a pool in \`pool\`. */
  static async start(setup: string): Promise<Specimen> {
    const specimen = new Specimen(setup);
    await specimen.#answer('to start');
    return specimen;
  }

  /** Runs the body of an async function there, with `pool` and an object `state` that lasts; returns what it returns. */
  ask<R>(body: string): Promise<R> {
    this.#child.stdin.write(`${body.replaceAll('\n', ' ')}\n`);
    return this.#answer(body) as Promise<R>;
  }

  /** Resolves when it stands still. */
  async freeze(): Promise<void> {
    const { pid } = this.#child;
    process.kill(pid!, 'SIGSTOP');
    const state = (): string => readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').charAt(0);
    await until('the process to stand still', state, (letter) => letter === 'T');
    this.#frozenAt = performance.now();
  }

  /** Lets it go on, once it has stood still for at least so long. */
  async thaw(atLeastMs: number = 0): Promise<void> {
    await until('the freeze to last', () => performance.now() - this.#frozenAt, (lastedMs) => lastedMs >= atLeastMs);
    process.kill(this.#child.pid!, 'SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => { this.#child.once('exit', resolve); });
    this.#child.kill('SIGKILL');
    await ended;
  }

  async #answer(task: string): Promise<unknown> {
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error(`The process ended when it was told ${task}: ${this.#wrong}`);
    const { said, failed } = JSON.parse(value) as Answer;
    if (failed !== undefined) throw new Error(`${failed} (told ${task}) ${this.#wrong}`);
    return said;
  }
}
