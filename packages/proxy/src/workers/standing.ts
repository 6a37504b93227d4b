// What has been told to all workers and still holds: a worker that is started later is told it as well.

import type { Question } from './messages.ts';

export class Standing {
  readonly #told = new Map<string, Question>();

  /** Everything is held. */
  get isPaused(): boolean {
    return this.#told.has('pause');
  }

  /** In the order in which it was told. */
  questions(): Question[] {
    return [...this.#told.values()];
  }

  /** It has been done. */
  note(question: Question): void {
    if (question.kind === 'set') this.#told.set(`set ${question.key.toLowerCase()}`, question);
    if (question.kind !== 'command') return;
    const { name, argument } = question;
    const about = argument === undefined ? '' : ` ${argument}`;
    switch (name) {
      case 'pause': this.#told.set(`pause${about}`, question); break;
      // The new worker has nobody to stop reading from: it is enough that it lets nobody begin.
      case 'suspend': this.#told.set('pause', { ...question, name: 'pause' }); break;
      // In a worker that is new there is nobody to end, but whoever comes after a KILL is held.
      case 'kill': this.#told.set(`pause${about}`, question); break;
      case 'resume': this.#resumed(about, question); break;
      case 'disable': this.#told.set(`disable${about}`, question); break;
      case 'enable': this.#told.delete(`disable${about}`); break;
      // What was set is forgotten when the file is read again.
      case 'reload': for (const key of this.#told.keys()) if (key.startsWith('set ')) this.#told.delete(key); break;
      default:
    }
  }

  /** After a KILL of everything databases are resumed one by one. */
  #resumed(about: string, question: Question): void {
    this.#told.delete(`pause${about}`);
    if (about !== '' && this.#told.has('pause')) this.#told.set(`pause${about}`, question);
  }
}
