// Parameters that follow the client from one server connection to the next: what the server reports, and what track_extra_parameters
// names. A server connection that was used by somebody else is given the client's values before anything of the client's reaches it.

/** What every PostgreSQL reports and a client may set. */
const ALWAYS = ['client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings', 'application_name'];

/** Lists of names, which are quoted one by one: SET would take such a list in quotes for a single name. */
const LISTS: ReadonlySet<string> = new Set(['search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries']);

/** Names that follow the client, by their lower case; the values are how servers spell them. */
export function trackedParameters(extra: readonly string[]): ReadonlyMap<string, string> {
  return new Map([...ALWAYS, ...extra].map((name) => [name.toLowerCase(), name]));
}

/** The statement that gives a server the client's values, or undefined if it has them. */
export function difference(wanted: ReadonlyMap<string, string>, actual: ReadonlyMap<string, string>): string | undefined {
  const steps: string[] = [];
  for (const [name, value] of wanted) {
    const has = actual.get(name);
    // What a server does not report it may not have.
    if (has === undefined || has === value || equals(name, has, value)) continue;
    steps.push(LISTS.has(name.toLowerCase())
      ? `SELECT pg_catalog.set_config(${literal(name)},${literal(value)},false)` : `SET ${identifier(name)}=${literal(value)}`);
  }
  return steps.length === 0 ? undefined : steps.join(';');
}

/** Encodings are the same whatever their case. */
function equals(name: string, a: string, b: string): boolean {
  return name === 'client_encoding' && a.toLowerCase() === b.toLowerCase();
}

function identifier(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_.]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/** Safe with standard_conforming_strings on and off. */
function literal(value: string): string {
  const quoted = value.replaceAll("'", "''");
  return value.includes('\\') ? `E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`;
}
