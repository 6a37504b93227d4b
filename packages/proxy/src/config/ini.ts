// Reads the syntax of pgbouncer.ini, nothing of its meaning: sections, `key = value` up to the end of the line, comments that begin a line,
// `%include`. Every entry knows its place, so that whatever is wrong with it can be said with file and line.

export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

export interface Entry extends Place {
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

export interface Problem extends Place {
  readonly message: string;
}

export interface Ini {
  /** In the order of the file; what comes later wins. */
  readonly entries: readonly Entry[];
  /** The first one ends the reading, as it does in PgBouncer. */
  readonly problems: readonly Problem[];
}

/** How deep files may include each other. */
const MAX_DEPTH = 16;

/** `read` returns the text of a file, or throws what {@link Problem} is to say. */
export function readIni(file: string, read: (file: string) => string): Ini {
  const entries: Entry[] = [];
  const problems: Problem[] = [];
  readFile({ file, line: 0 }, file, { section: '' }, 0);
  return { entries, problems };

  function readFile(from: Place, path: string, state: { section: string }, depth: number): void {
    let text: string;
    try {
      text = read(path);
    } catch (error) {
      problems.push({ ...from, message: `could not open file ${path}: ${error instanceof Error ? error.message : String(error)}` });
      return;
    }
    for (const [index, raw] of text.split('\n').entries()) {
      const place = { file: path, line: index + 1 };
      readLine(raw.trim(), place, state, depth);
      if (problems.length > 0) return;
    }
  }

  function readLine(line: string, place: Place, state: { section: string }, depth: number): void {
    if (line === '' || line.startsWith(';') || line.startsWith('#')) return;
    const include = /^%include\s+(.+)$/.exec(line);
    if (include !== null) {
      if (depth >= MAX_DEPTH) problems.push({ ...place, message: `include nesting level too deep (${place.file}:${place.line})` });
      else readFile(place, include[1]!.trim(), state, depth + 1);
      return;
    }
    const section = /^\[([^\]]+)\]$/.exec(line);
    if (section !== null) {
      state.section = section[1]!.trim();
      return;
    }
    const pair = /^("(?:[^"]|"")*"|[^\s="]+)\s*=\s*(.*)$/.exec(line);
    if (pair === null || state.section === '') {
      problems.push({ ...place, message: `syntax error in configuration (${place.file}:${place.line}), stopping loading` });
      return;
    }
    entries.push({ ...place, section: state.section, key: unquoted(pair[1]!), value: pair[2]! });
  }
}

function unquoted(key: string): string {
  return key.startsWith('"') ? key.slice(1, -1).replaceAll('""', '"') : key;
}

/**
 * The `key=value key='other value'` of a database, a user or a peer; a quote inside of quotes is doubled. Undefined: not such a text.
 */
export function readPairs(text: string): (readonly [key: string, value: string])[] | undefined {
  const pairs: [string, string][] = [];
  const pattern = /\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?:'((?:[^']|'')*)'|([^\s']*))(?=\s|$)/y;
  while (pattern.lastIndex < text.trimEnd().length) {
    const found = pattern.exec(text);
    if (found === null) return undefined;
    pairs.push([found[1]!, found[2]?.replaceAll("''", "'") ?? found[3]!]);
  }
  return pairs;
}
