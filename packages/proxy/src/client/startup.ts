// What a client asks for in its startup packet, beyond who it is: parameters that follow it, parameters that may be ignored, and whether
// it is about replication. Pure.

import { Refused } from './refused.ts';

/** Only at the server it has a meaning; the session is the client's alone. */
export interface Replication {
  /** As in the startup packet, with what else came with it. */
  readonly parameters: ReadonlyMap<string, string>;
}

export interface Wishes {
  /** Tracked parameters, by the spelling of servers. */
  readonly parameters: Map<string, string>;
  readonly replication: Replication | undefined;
}

export interface StartupRules {
  /** Names of parameters that follow clients: how servers spell them, by lower case. */
  readonly tracked: ReadonlyMap<string, string>;
  readonly ignored: readonly string[];
  /** `host:port` of the client, to stand in application_name; undefined: it is not to. */
  readonly addedHost: string | undefined;
}

const OPTIONS_REFUSED = "unsupported options startup parameter: only '-c config=val' and '--config=val' are allowed";

/** Sorts the parameters of a startup packet. Throws {@link Refused} for what is neither tracked nor ignored. */
export function readWishes(asked: ReadonlyMap<string, string>, { tracked, ignored: named, addedHost }: StartupRules): Wishes {
  const ignored = new Set(named.map((name) => name.toLowerCase()));
  const parameters = new Map<string, string>();
  const isReplication = wantsReplication(asked.get('replication'));
  const atServer = new Map<string, string>();
  for (const [name, value] of asked) {
    if (name === 'user' || name === 'database' || name === 'replication') continue;
    if (name === 'options') {
      // A walsender gets them as they are: CREATE SUBSCRIPTION sets there what cannot be set later.
      if (isReplication) atServer.set(name, value);
      else readOptions(value, (key, text) => sort(key, text, true));
    } else {
      sort(name, value, false);
    }
  }
  if (addedHost !== undefined) parameters.set('application_name', `${parameters.get('application_name') ?? 'app'} - ${addedHost}`);
  if (!isReplication) return { parameters, replication: undefined };
  return { parameters, replication: { parameters: new Map([['replication', asked.get('replication')!], ...parameters, ...atServer]) } };

  function sort(name: string, value: string, inOptions: boolean): void {
    const spelling = tracked.get(name.toLowerCase());
    if (spelling !== undefined) parameters.set(spelling, value);
    else if (!ignored.has(name.toLowerCase()) && !(inOptions && ignored.has('options'))) {
      throw new Refused(inOptions ? `unsupported startup parameter in options: ${name}` : `unsupported startup parameter: ${name}`);
    }
  }
}

/** `database`, or a boolean as PostgreSQL reads one. */
export function wantsReplication(value: string | undefined): boolean {
  return value !== undefined && /^(?:database|t|tr|tru|true|y|ye|yes|on|1)$/i.test(value);
}

/** `-c name=value`, `-cname=value`, `--name=value`, separated by blanks; a backslash takes what follows as it is. */
function readOptions(text: string, found: (name: string, value: string) => void): void {
  let rest = text.trimStart();
  while (rest !== '') {
    const head = /^(?:-c\s*|--)/.exec(rest);
    if (head === null) throw new Refused(OPTIONS_REFUSED);
    const token = /^(?:\\[\s\S]|[^\\\s])*/.exec(rest.slice(head[0].length))![0];
    const plain = token.replace(/\\([\s\S])/g, '$1');
    const equals = plain.indexOf('=');
    if (equals < 0) throw new Refused(OPTIONS_REFUSED);
    found(plain.slice(0, equals), plain.slice(equals + 1));
    rest = rest.slice(head[0].length + token.length).trimStart();
  }
}
