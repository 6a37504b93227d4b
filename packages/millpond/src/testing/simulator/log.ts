// What happened, line by line, and a fingerprint of it: two runs are the same run exactly if their fingerprints are.

/** FNV-1a's factor; two sums with different starts make accidental equality of two runs unlikely enough. */
const FACTOR = 0x01000193;

export class Log {
  readonly lines: string[] = [];
  /** How often each kind of thing happened: the first word of its lines. */
  readonly seen: Map<string, number> = new Map();
  #low = 0x811c9dc5;
  #high = 0x3c6ef372;
  readonly #onLine: ((line: string) => void) | undefined;

  constructor(onLine: ((line: string) => void) | undefined) {
    this.#onLine = onLine;
  }

  write(atMs: number, kind: string, details = ''): void {
    const line = `${atMs} ${kind}${details === '' ? '' : ` ${details}`}`;
    this.lines.push(line);
    this.seen.set(kind, (this.seen.get(kind) ?? 0) + 1);
    for (let i = 0; i < line.length; i++) {
      const code = line.charCodeAt(i);
      this.#low = Math.imul(this.#low ^ code, FACTOR);
      this.#high = Math.imul(this.#high + code, FACTOR) ^ (this.#high >>> 15);
    }
    this.#onLine?.(line);
  }

  get fingerprint(): string {
    return [this.#low, this.#high].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  }
}
