// The language of the console: a word, perhaps another, perhaps a semicolon; and `SET key = value`.

export type Command =
  | { readonly kind: 'command'; readonly name: string; readonly argument: string | undefined }
  | { readonly kind: 'set'; readonly key: string; readonly value: string };

const WORD = String.raw`"(?:[^"]|"")*"|[0-9A-Za-z_]+`;
const COMMAND = new RegExp(String.raw`^\s*(${WORD})(?:\s+(${WORD}))?\s*(?:;\s*)?$`);
const SET = new RegExp(String.raw`^\s*set\s+(${WORD})\s*(?:=|\s+to\s)\s*(?:(${WORD})|'((?:[^']|'')*)')\s*(?:;\s*)?$`, 'i');

/** Undefined: no command. The name is in lower case, as are words without quotes compared. */
export function parseCommand(line: string): Command | undefined {
  const set = SET.exec(line);
  if (set !== null) {
    const [, key, word, text] = set;
    return { kind: 'set', key: unquoted(key!), value: word === undefined ? text!.replaceAll("''", "'") : unquoted(word) };
  }
  const command = COMMAND.exec(line);
  if (command === null) return undefined;
  const [, name, argument] = command;
  return { kind: 'command', name: unquoted(name!).toLowerCase(), argument: argument === undefined ? undefined : unquoted(argument) };
}

/** A command that only looks. */
export function isShow(line: string): boolean {
  const command = parseCommand(line);
  return command?.kind === 'command' && (command.name === 'show' || command.name === 'select');
}

function unquoted(word: string): string {
  return word.startsWith('"') ? word.slice(1, -1).replaceAll('""', '"') : word;
}
