// The same programs against PostgreSQL and through the proxy: whatever comes has to be the same, message by message. A program that tells
// the two apart is made as small as it can be.

import { FROM_SERVER } from '../../../packages/proxy/src/wire/pg/types.ts';
import { flush, query, terminate } from './messages.ts';
import type { Exchange } from './programs.ts';
import { WireClient, type Place } from './wire-client.ts';

/** What came, exchange by exchange. */
type Transcript = readonly (readonly string[])[];

export interface Stage {
  readonly direct: Place;
  readonly proxied: Place;
  /** Makes the tables as they were in the beginning. */
  readonly reset: () => Promise<void>;
}

const { copyInResponse, errorResponse, readyForQuery } = FROM_SERVER;
const PATIENCE_MS = 15_000;
/** Making a program smaller takes no longer than this. */
const SHRINKING_MS = 20_000;
const FLUSH = flush();
const endsWithFlush = (bytes: Buffer): boolean => bytes.subarray(-FLUSH.length).equals(FLUSH);

async function exchange(client: WireClient, { first, pause, second, ready, cuts }: Exchange): Promise<void> {
  const count = (type: number): number => client.count(type);
  const [readies, errors, copies, answers] = [count(readyForQuery), count(errorResponse), count(copyInResponse), client.answers];
  const over = (): boolean => count(readyForQuery) >= readies + ready;
  await client.send(first, cuts);
  if (pause !== undefined && second !== undefined) {
    const open = endsWithFlush(first);
    await client.until(() => over() || (open && count(errorResponse) > errors)
      || (pause === 'copy' ? count(copyInResponse) > copies : client.answers >= answers + pause), PATIENCE_MS);
    if (!over()) await client.send(second, [Math.floor(second.length / 3)]);
  }
  await client.until(over, PATIENCE_MS);
}

/** Runs a program to its end. What goes wrong is the last thing that came. */
async function run(place: Place, program: readonly Exchange[]): Promise<Transcript> {
  const seen: string[][] = [];
  let client: WireClient | undefined;
  try {
    client = await WireClient.connect(place);
    client.messages.splice(0);
    for (const each of program) {
      await exchange(client, each);
      seen.push(client.transcript());
    }
    await client.ask(query("ROLLBACK; SELECT 'end'")).finally(() => undefined);
    await client.send(terminate());
    const { socket } = client;
    if (!client.closed) await new Promise((resolve) => { socket.once('close', resolve); });
    seen.push(client.transcript());
  } catch (error) {
    seen.push([...client?.transcript() ?? [], error instanceof Error ? `${error.name}: ${error.message}` : String(error)]);
    client?.vanish();
  }
  return seen;
}

/** Where two programs' answers part: the exchange, and what came; undefined: nowhere. */
interface Difference {
  readonly index: number;
  readonly direct: readonly string[];
  readonly proxied: readonly string[];
}

/**
 * What may differ in an error: the name by which the server knows a statement, the words for one that is not there, and the place in the
 * server's source, since what a statement is missing is found out when it is prepared once more.
 */
const masked = (line: string): string => line
  .replace(/^(E .* C=26000 ).*/, '$1')
  .replace(/prepared statement "[^"]*"/, 'prepared statement "…"')
  .replace(/ F=\S+ L=\d+ R=\w+$/, '');

/** Up to each ReadyForQuery. */
function segments(lines: readonly string[]): string[][] {
  const found: string[][] = [[]];
  for (const line of lines) {
    found.at(-1)!.push(line);
    if (line.startsWith('Z ')) found.push([]);
  }
  return found;
}

/** In a transaction that has failed nothing can be prepared once more, not even to be described. */
const failsInFailed = (proxied: readonly string[]): boolean => proxied.at(-1) === 'Z "E"'
  && /^E .* C=25P02 .* R=exec_parse_message$/.test(proxied.at(-2) ?? '');

function isSame(direct: readonly string[], proxied: readonly string[]): boolean {
  const [a, b] = [segments(direct), segments(proxied)];
  return a.length === b.length && a.every((expected, at) => {
    const found = b[at]!;
    if (failsInFailed(found) && expected.at(-1) === found.at(-1)) return true;
    return expected.length === found.length
      && expected.every((line, n) => masked(line) === masked(found[n]!));
  });
}

function differenceOf(direct: Transcript, proxied: Transcript): Difference | undefined {
  for (let index = 0; index < Math.max(direct.length, proxied.length); index++) {
    const [a, b] = [direct[index] ?? [], proxied[index] ?? []];
    if (!isSame(a, b)) return { index, direct: a, proxied: b };
  }
  return undefined;
}

/** Runs these programs at once, on both sides. Returns of each where the sides part. */
async function both({ direct, proxied, reset }: Stage, programs: readonly (readonly Exchange[])[]): Promise<(Difference | undefined)[]> {
  await reset();
  const expected = await Promise.all(programs.map((each) => run(direct, each)));
  await reset();
  const found = await Promise.all(programs.map((each) => run(proxied, each)));
  return expected.map((each, n) => differenceOf(each, found[n]!));
}

/** Leaves out what is not needed for the sides to part. */
async function shrink(stage: Stage, program: readonly Exchange[], difference: Difference): Promise<[readonly Exchange[], Difference]> {
  let [smallest, found] = [program.slice(0, difference.index + 1), difference];
  const deadline = performance.now() + SHRINKING_MS;
  for (let at = smallest.length - 2; at >= 0 && performance.now() < deadline; at--) {
    const fewer = smallest.filter((_, index) => index !== at);
    const [still] = await both(stage, [fewer]);
    if (still === undefined) continue;
    [smallest, found] = [fewer.slice(0, still.index + 1), still];
    at = Math.min(at, smallest.length - 1);
  }
  return [smallest, found];
}

const few = (lines: readonly string[]): string => lines.slice(-40).map((line) => `      ${line.slice(0, 300)}`).join('\n');

/** Words for a difference: the program up to it, and both sides. */
function report(program: readonly Exchange[], { index, direct, proxied }: Difference): string {
  const steps = program.slice(0, index + 1).map(({ what, cuts }, n) =>
    `  ${n + 1}. ${what.slice(0, 600)}${cuts.length === 0 ? '' : ` (cut at ${cuts.slice(0, 20).join(', ')})`}`);
  return [...steps, '    from PostgreSQL:', few(direct), '    through the proxy:', few(proxied)].join('\n');
}

/** Runs the programs on both sides. Undefined: all the same; else the smallest program that was found to tell the sides apart. */
export async function compare(stage: Stage, programs: readonly (readonly Exchange[])[]): Promise<string | undefined> {
  const differences = await both(stage, programs);
  const at = differences.findIndex((each) => each !== undefined);
  if (at < 0) return undefined;
  const [program, difference] = [programs[at]!, differences[at]!];
  const [alone] = await both(stage, [program]);
  if (alone === undefined) return `client ${at} of ${programs.length}, and not alone:\n${report(program, difference)}`;
  return `one client alone:\n${report(...await shrink(stage, program, alone))}`;
}
