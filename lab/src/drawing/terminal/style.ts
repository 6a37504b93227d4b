// What this terminal can show: colours, line-drawing characters, a moving cursor, how many columns. Decided once, from the usual signs
// (NO_COLOR, FORCE_COLOR, TERM, the locale), and passed to whoever draws.

export interface Style {
  /** May lines be redrawn in place? Only on a terminal. */
  readonly live: boolean;
  readonly unicode: boolean;
  readonly color: boolean;
}

export type Paint = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue' | 'magenta' | 'cyan';

const CODES: Record<Paint, readonly [number, number]> = {
  bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], blue: [34, 39], magenta: [35, 39], cyan: [36, 39],
};

export interface Surroundings {
  readonly isTTY: boolean;
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Asked for on the command line. */
  readonly ascii?: boolean;
}

export function styleFor({ isTTY, platform, env, ascii = false }: Surroundings): Style {
  const live = isTTY && env['TERM'] !== 'dumb' && !env['CI'];
  return { live, unicode: !ascii && hasUnicode(platform, env), color: hasColor(live, env) };
}

function hasColor(live: boolean, env: Surroundings['env']): boolean {
  if (env['NO_COLOR']) return false;
  const forced = env['FORCE_COLOR'];
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  return live;
}

function hasUnicode(platform: string, env: Surroundings['env']): boolean {
  if (platform === 'win32') return Boolean(env['WT_SESSION'] ?? env['TERM_PROGRAM'] ?? env['MSYSTEM']);
  if (env['TERM'] === 'linux') return false; // the bare console lacks the glyphs
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'];
  return !locale || /utf-?8/i.test(locale);   // no locale at all is a container; its reader's terminal knows UTF-8
}

export function paint(style: Style, text: string, ...paints: readonly Paint[]): string {
  if (!style.color || text === '') return text;
  return paints.reduce((inner, name) => `\u001b[${CODES[name][0]}m${inner}\u001b[${CODES[name][1]}m`, text);
}

const ESCAPES = /\u001b\[[0-9;]*m/g;

/** Columns that the text takes. All that we print is one column wide per character. */
export function widthOf(text: string): number {
  return [...text.replace(ESCAPES, '')].length;
}

/** Cut to `columns`, colours kept and closed, so that no line ever wraps and breaks the redrawing. */
export function fit(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let out = '';
  let room = columns;
  let painted = false;
  for (const part of text.split(/(\u001b\[[0-9;]*m)/)) {
    if (part.startsWith('\u001b')) {
      out += part;
      painted = true;
    } else {
      const kept = [...part].slice(0, room);
      out += kept.join('');
      room -= kept.length;
    }
  }
  return painted ? `${out}\u001b[0m` : out;
}

/** Long text in lines of at most `columns`; further lines begin with `indent`. */
export function wrap(text: string, columns: number, indent = ''): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const next = line === '' ? word : `${line} ${word}`;
    if (widthOf(next) <= columns || line.trim() === '') {
      line = next;
    } else {
      lines.push(line);
      line = indent + word;
    }
  }
  lines.push(line);
  return lines;
}

export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)));
}

export function padStart(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - widthOf(text))) + text;
}

const IN_ASCII: Readonly<Record<string, string>> = { '\u00a0': ' ', '–': '-', '…': '.', '≥': '>', '×': 'x', '÷': '/' };

/** The few characters of our texts that ASCII lacks, each by one that it has, so that columns stay columns. */
export function toAscii(text: string): string {
  return text.replace(/[^\u0000-\u007f]/g, (character) => IN_ASCII[character] ?? '?');
}
