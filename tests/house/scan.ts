// Reads TypeScript just well enough to check structure, without a parser: `skeleton` blanks what is not code (comments, strings, regular
// expressions) and keeps every offset, so that simple searches in it cannot be fooled by text. What is looked for afterwards (imports,
// names, function bodies) is then a matter of small expressions and matching braces.

/** Words after which a slash begins a regular expression, although they look like a value. */
const BEFORE_REGEX = /(?:^|[^\w$.])(?:return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield|instanceof)$/;

/** The source with comments, string contents and regular expressions blanked; same length, same lines. Quotes and `${}` stay. */
export function skeleton(source: string): string {
  const out: string[] = [];
  /** For each template literal that we are inside of: how deep the braces of its running `${` are. */
  const templates: number[] = [];
  let at = 0;
  let depth = 0;

  const blank = (end: number): void => {
    for (; at < end; at++) out.push(source[at] === '\n' ? '\n' : ' ');
  };
  const keep = (): void => { out.push(source[at++] ?? ''); };
  const untilQuote = (quote: string): void => {
    keep();
    let end = at;
    while (end < source.length && source[end] !== quote && source[end] !== '\n') end += source[end] === '\\' ? 2 : 1;
    blank(Math.min(end, source.length));
    if (source[at] === quote) keep();
  };
  const templateText = (): void => {
    let end = at;
    while (end < source.length && source[end] !== '`' && !source.startsWith('${', end)) end += source[end] === '\\' ? 2 : 1;
    blank(Math.min(end, source.length));
    if (source[at] === '`') return keep();
    if (at >= source.length) return;
    keep(); // $
    keep(); // {
    templates.push(depth++);
  };

  while (at < source.length) {
    const char = source[at];
    if (source.startsWith('//', at)) blank(lineEnd(source, at));
    else if (source.startsWith('/*', at)) blank(after(source, '*/', at + 2));
    else if (char === '\'' || char === '"') untilQuote(char);
    else if (char === '`') { keep(); templateText(); }
    else if (char === '/' && regexMayStart(out)) blank(regexEnd(source, at));
    else if (char === '{') { depth++; keep(); }
    else if (char === '}') {
      depth--;
      keep();
      if (templates.at(-1) === depth) { templates.pop(); templateText(); }
    } else keep();
  }
  return out.join('');
}

function lineEnd(source: string, from: number): number {
  const end = source.indexOf('\n', from);
  return end < 0 ? source.length : end;
}

function after(source: string, mark: string, from: number): number {
  const end = source.indexOf(mark, from);
  return end < 0 ? source.length : end + mark.length;
}

function regexMayStart(before: readonly string[]): boolean {
  let end = before.length;
  while (end > 0 && /\s/.test(before[end - 1] ?? '')) end--;
  const last = before[end - 1];
  if (last === undefined) return true;
  if (/[\w$]/.test(last)) return BEFORE_REGEX.test(before.slice(Math.max(0, end - 12), end).join(''));
  return !/[)\]}'"`]/.test(last);
}

function regexEnd(source: string, from: number): number {
  let inClass = false;
  let end = from + 1;
  for (; end < source.length && source[end] !== '\n'; end++) {
    const char = source[end];
    if (char === '\\') end++;
    else if (char === '[') inClass = true;
    else if (char === ']') inClass = false;
    else if (char === '/' && !inClass) return end + 1;
  }
  return end;
}

/** The 1-based line of an offset. */
export function lineOf(source: string, offset: number): number {
  let line = 1;
  for (let at = source.indexOf('\n'); at >= 0 && at < offset; at = source.indexOf('\n', at + 1)) line++;
  return line;
}

export interface Import {
  /** What stands in the quotes; undefined where it is computed. */
  readonly specifier: string | undefined;
  readonly line: number;
  /** `import()` or `require()`: happens when it is run, not when the module is loaded. */
  readonly dynamic: boolean;
}

/** Every module that a source names: `import`, `import type`, `export ... from`, `import x = require()`, `import()`, `require()`. */
export function importsOf(source: string, code: string = skeleton(source)): Import[] {
  const found: Import[] = [];
  const add = (quoteAt: number, offset: number, dynamic: boolean): void => {
    const quote = source[quoteAt] ?? '';
    const end = source.indexOf(quote, quoteAt + 1);
    const literal = /['"`]/.test(quote) && end > 0 && !(quote === '`' && source.slice(quoteAt, end).includes('${'));
    found.push({ specifier: literal ? source.slice(quoteAt + 1, end) : undefined, line: lineOf(source, offset), dynamic });
  };
  for (const match of code.matchAll(/(?<![\w$.])(?:import|from)\s*(?=['"])/g)) add(match.index + match[0].length, match.index, false);
  for (const match of code.matchAll(/(?<![\w$.])(?:import|require)\s*\(\s*/g)) add(match.index + match[0].length, match.index, true);
  return found;
}

/** The lines on which one of `names` stands as a name of its own: not as `x.name` and not as the key in `name: value`. */
export function usesOf(code: string, names: readonly string[]): { readonly name: string; readonly line: number }[] {
  const pattern = new RegExp(String.raw`(?<![\w$#]|(?<!\.\.)\.)(?:${names.join('|')})(?![\w$]|\s*\??:)`, 'g');
  return [...code.matchAll(pattern)].map((match) => ({ name: match[0], line: lineOf(code, match.index) }));
}

export interface Body {
  readonly line: number;
  readonly lines: number;
  /** What stands before the brace, on one line. */
  readonly head: string;
  /** What stands between the braces. */
  readonly body: string;
}

/** Every function body in braces, with its size from the line of its head to its closing brace. */
export function functionsOf(code: string): Body[] {
  const bodies: Body[] = [];
  const open: number[] = [];
  for (let at = 0; at < code.length; at++) {
    if (code[at] === '{') open.push(at);
    if (code[at] !== '}') continue;
    const start = open.pop();
    if (start === undefined) continue;
    const { from, head } = headOf(code, start);
    if (!isFunction(head)) continue;
    const line = lineOf(code, from);
    bodies.push({ line, lines: lineOf(code, at) - line + 1, head: head.replaceAll(/\s+/g, ' '), body: code.slice(start + 1, at) });
  }
  return bodies.sort((a, b) => a.line - b.line);
}

/**
 * The statement or member that a brace belongs to: back to the end of the one before it, over whole parentheses, type arguments, and the
 * braces of a type that stands in them or right before (`f(): { a: string } {`).
 */
function headOf(code: string, brace: number): { from: number; head: string } {
  let from = brace;
  let angles = 0;
  while (from > 0) {
    const char = code[from - 1] ?? '';
    if (/[)\]]/.test(char) || (char === '}' && (angles > 0 || code.slice(from, brace).trim() === ''))) from = opening(code, from - 1);
    else if (char === '>' && code[from - 2] !== '=') { angles++; from--; }
    else if (char === '<') { angles--; from--; }
    else if (/[([;{}]/.test(char) || (char === ',' && angles <= 0)) break;
    else from--;
  }
  const text = code.slice(from, brace);
  return { from: from + (text.length - text.trimStart().length), head: text.trim() };
}

/** Where the bracket opens that closes at `close`. */
function opening(code: string, close: number): number {
  for (let at = close, depth = 0; at >= 0; at--) {
    if (/[)\]}]/.test(code[at] ?? '')) depth++;
    else if (/[([{]/.test(code[at] ?? '') && --depth === 0) return at;
  }
  return 0;
}

function isFunction(head: string): boolean {
  if (head.endsWith('=>')) return true;
  if (/^(?:else\s+)?(?:if|for|while|switch|catch|with)\b/.test(head)) return false;
  if (/^(?:export\s+)?(?:default\s+)?(?:abstract\s+)?(?:class|interface)\b/.test(head)) return false;
  // Parameters, and perhaps a return type: what begins an object literal ends in a sign (`= {`, `? {`, `: {`).
  return head.endsWith(')') || /\)\s*:\s*\S[\s\S]*[\w\]>)}'"]$/.test(head) || /\)\s*:\s*\w$/.test(head);
}
