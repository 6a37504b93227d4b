// The command line of the benchmark.
import { parseArgs } from 'node:util';
import { Trouble } from '../trouble.ts';

export interface BenchOptions {
  /** Names of chapters, in the order in which they run. */
  readonly chapters: readonly string[];
  readonly quick: boolean;
  readonly rounds: number | undefined;
  readonly only: readonly string[];
  readonly outFolder: string | undefined;
  readonly ascii: boolean;
  readonly markdown: boolean;
  readonly updateDocs: boolean;
}

/** What the command line may name: filled from the registry. */
export interface Known {
  readonly chapters: readonly {
    readonly name: string; readonly title: string; readonly contenders: readonly string[]; readonly onRequest?: boolean;
  }[];
}

const MOST_ROUNDS = 99;

export function help({ chapters }: Known): string {
  const width = Math.max(...chapters.map(({ name }) => name.length)) + 2;
  return `Measures millpond beside the pools that it would replace, in turns, on this machine.

  npm run bench -- [chapter...] [options]

Chapters (all of them unless some are named)
${chapters.map((chapter) => lineOf(chapter, width)).join('\n')}

Options
  --quick          fewer and shorter rounds: to see that it works, not to quote from
  --rounds N       measured rounds for each contender, 1 to ${MOST_ROUNDS}
  --only A,B       only these contenders
  --out DIR        where results go (default lab/out)
  --markdown       print the tables as Markdown too
  --update-docs    write them between the marks in README.md and docs/guide
  --ascii          no characters beyond ASCII
  --help           this text

Contenders
${chapters.map(({ name, contenders }) => wrapped(name.padEnd(width), contenders)).join('\n')}

The tables are printed, and written with everything behind them to bench.json and bench.html in DIR.
Exit code 1: a contender failed, and its row says why. 2: the command line is wrong.`;
}

function lineOf({ name, title, onRequest }: Known['chapters'][number], width: number): string {
  return `  ${name.padEnd(width)}${title}${onRequest === true ? ' (only when named)' : ''}`;
}

/** Names after a lead, in lines of about a hundred characters. */
function wrapped(lead: string, names: readonly string[]): string {
  const lines = [`  ${lead}`];
  names.forEach((name, index) => {
    const word = index < names.length - 1 ? `${name}, ` : name;
    if (`${lines.at(-1)}${word}`.length > 110) lines.push(' '.repeat(lead.length + 2));
    lines[lines.length - 1] += word;
  });
  return lines.map((line) => line.trimEnd()).join('\n');
}

/** 'help' when that was asked for. Throws a Trouble that names what it does not know. */
export function optionsFrom(args: readonly string[], known: Known): BenchOptions | 'help' {
  const { values, positionals } = parse(args);
  if (values.help === true) return 'help';
  if (values['update-docs'] === true && (values.quick === true || values.only !== undefined)) {
    throw new Trouble('--update-docs takes a whole run: neither --quick nor --only.', 'A document should not quote from less.', 2);
  }
  const names = known.chapters.map(({ name }) => name);
  for (const name of positionals) {
    if (!names.includes(name)) throw new Trouble(`There is no chapter "${name}".`, `There are ${list(names)}. See --help.`, 2);
  }
  const usual = known.chapters.filter(({ onRequest }) => onRequest !== true).map(({ name }) => name);
  const chapters = positionals.length === 0 ? usual : names.filter((name) => positionals.includes(name));
  return {
    chapters,
    quick: values.quick ?? false,
    rounds: values.rounds === undefined ? undefined : wholeNumber('rounds', values.rounds, 1, MOST_ROUNDS),
    only: contenders(values.only ?? [], known.chapters.filter(({ name }) => chapters.includes(name))),
    outFolder: values.out === undefined ? undefined : notEmpty('out', values.out),
    ascii: values.ascii ?? false,
    markdown: values.markdown ?? false,
    updateDocs: values['update-docs'] ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        quick: { type: 'boolean' }, ascii: { type: 'boolean' }, help: { type: 'boolean', short: 'h' }, markdown: { type: 'boolean' },
        'update-docs': { type: 'boolean' }, rounds: { type: 'string' }, only: { type: 'string', multiple: true }, out: { type: 'string' },
      },
    });
  } catch (error) {
    throw new Trouble(`${(error as Error).message.split('. ')[0]}.`, 'See --help for what there is.', 2);
  }
}

function contenders(asked: readonly string[], chapters: Known['chapters']): string[] {
  const there = [...new Set(chapters.flatMap((chapter) => chapter.contenders))];
  const names = asked.flatMap((text) => text.split(',')).map((name) => name.trim()).filter((name) => name !== '');
  if (asked.length > 0 && names.length === 0) throw new Trouble('--only takes names of contenders.', 'See --help for what there is.', 2);
  for (const name of names) {
    if (!there.includes(name)) {
      const where = list(chapters.map((chapter) => chapter.name));
      throw new Trouble(`There is no contender "${name}" in ${where}.`, `There are ${list(there)}.`, 2);
    }
  }
  return names;
}

function list(names: readonly string[]): string {
  return names.join(', ');
}

function notEmpty(name: string, text: string): string {
  if (text.trim() === '') throw new Trouble(`--${name} takes a value.`, 'See --help for what there is.', 2);
  return text;
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Trouble(`--${name} takes a whole number from ${least} to ${most}, not "${text}".`, 'See --help for what there is.', 2);
}
