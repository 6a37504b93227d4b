// Reads auth_file: `"name" "secret"`, a user per line, a quote inside doubled; what comes behind is ignored. The secret is a password, an
// md5 hash, or a SCRAM secret.

export interface AuthFile {
  /** Secrets by user. */
  readonly secrets: ReadonlyMap<string, string>;
  /** Numbers of lines that make no sense, from 1. */
  readonly broken: readonly number[];
}

export function readAuthFile(text: string): AuthFile {
  const secrets = new Map<string, string>();
  const broken: number[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith(';') || line.startsWith('#')) continue;
    const found = /^"((?:[^"]|"")*)"\s+"((?:[^"]|"")*)"/.exec(line);
    if (found === null || found[1] === '') broken.push(index + 1);
    else secrets.set(found[1]!.replaceAll('""', '"'), found[2]!.replaceAll('""', '"'));
  }
  return { secrets, broken };
}
