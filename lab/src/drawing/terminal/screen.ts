// The terminal: lines that stay, and below them a block that is drawn again and again in place. Without a terminal (a pipe, a CI log)
// the block does not exist and only the lines that stay are written.
import { fit, toAscii, type Style } from './style.ts';

export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const CLEAR_LINE = '\u001b[2K';
const COLUMNS_WITHOUT_TERMINAL = 125;

export class Screen {
  readonly style: Style;
  readonly #out: Output;
  #drawn = 0;
  #cursorHidden = false;

  constructor(out: Output, style: Style) {
    this.#out = out;
    this.style = style;
  }

  /** Columns that may be filled. One less than there are: some terminals wrap when the last one is written. */
  get columns(): number {
    return Math.max(20, (this.#out.columns ?? COLUMNS_WITHOUT_TERMINAL) - 1);
  }

  /** Writes lines that stay, above the block that is being drawn. They may be longer than the terminal is wide. */
  print(...lines: readonly string[]): void {
    this.#out.write(this.#erase() + this.#spell(lines.map((line) => `${line}\n`).join('')));
  }

  /** Draws the block anew. Lines are cut to the width, the block to the height. Without a terminal: nothing. */
  draw(lines: readonly string[]): void {
    if (!this.style.live) return;
    const hide = this.#cursorHidden ? '' : HIDE_CURSOR;
    this.#cursorHidden = true;
    const shown = lines.slice(0, Math.max(1, (this.#out.rows ?? 24) - 1)).map((line) => fit(line, this.columns));
    this.#out.write(`${hide}${this.#erase()}${this.#spell(shown.join('\n'))}\r`);
    this.#drawn = shown.length;
  }

  /** Takes the block away and gives the cursor back. */
  rest(): void {
    const show = this.#cursorHidden ? SHOW_CURSOR : '';
    this.#cursorHidden = false;
    const text = `${this.#erase()}${show}`;
    if (text !== '') this.#out.write(text);
  }

  #spell(text: string): string {
    return this.style.unicode ? text : toAscii(text);
  }

  #erase(): string {
    const lines = this.#drawn;
    this.#drawn = 0;
    if (lines === 0) return '';
    return `\r${CLEAR_LINE}${`\u001b[1A${CLEAR_LINE}`.repeat(lines - 1)}`;
  }
}
