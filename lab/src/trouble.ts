// What the programs of the lab throw when the person at the keyboard can help it.

/** An error that the person at the keyboard can do something about: no stack is shown for it. */
export class Trouble extends Error {
  readonly remedy: string;
  readonly exitCode: number;

  constructor(message: string, remedy: string, exitCode = 1, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'Trouble';
    this.remedy = remedy;
    this.exitCode = exitCode;
  }
}
