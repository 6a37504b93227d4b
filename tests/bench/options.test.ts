// The command line of the benchmark.
import { describe, expect, it } from 'vitest';
import { help, optionsFrom, type Known } from '../../lab/src/bench/options.ts';
import { CHAPTERS } from '../../lab/src/bench/registry.ts';
import { Trouble } from '../../lab/src/trouble.ts';

const known: Known = {
  chapters: [
    { name: 'engine', title: 'The engine', contenders: ['millpond', 'tarn'] },
    { name: 'start', title: 'Starting', contenders: ['millpond', 'undici'] },
  ],
};

describe('the command line of the benchmark', () => {
  it('runs every chapter unless some are named, always in the same order', () => {
    expect(optionsFrom([], known)).toMatchObject({ chapters: ['engine', 'start'], quick: false, rounds: undefined, only: [] });
    expect(optionsFrom(['start'], known)).toMatchObject({ chapters: ['start'] });
    expect(optionsFrom(['start', 'engine'], known)).toMatchObject({ chapters: ['engine', 'start'] });
  });

  it('runs a chapter that takes long only when it is named', () => {
    const more: Known = { chapters: [...known.chapters, { name: 'proxy', title: 'The proxy', contenders: ['direct'], onRequest: true }] };
    expect(optionsFrom([], more)).toMatchObject({ chapters: ['engine', 'start'] });
    expect(optionsFrom(['proxy', 'start'], more)).toMatchObject({ chapters: ['start', 'proxy'] });
    expect(help(more)).toMatch(/proxy +The proxy \(only when named\)/);
  });

  it('takes its options in every form', () => {
    const only = ['--only', 'tarn, undici', '--only', 'millpond'];
    expect(optionsFrom(['--quick', '--rounds=9', ...only, '--out', 'x', '--markdown'], known)).toEqual({
      chapters: ['engine', 'start'], quick: true, rounds: 9, only: ['tarn', 'undici', 'millpond'], outFolder: 'x', ascii: false,
      markdown: true, updateDocs: false,
    });
    expect(optionsFrom(['engine', '--update-docs'], known)).toMatchObject({ updateDocs: true });
    expect(optionsFrom(['--help', 'engine'], known)).toBe('help');
  });

  it.each([
    [['engin'], 'no chapter "engin"', 'engine, start'],
    [['--only', 'knex'], 'no contender "knex" in engine, start', 'millpond, tarn, undici'],
    [['engine', '--only', 'undici'], 'no contender "undici" in engine', 'millpond, tarn'],
    [['--only', ','], '--only takes names', '--help'],
    [['--rounds', '0'], '--rounds takes a whole number from 1 to 99, not "0"', '--help'],
    [['--rounds', 'two'], 'not "two"', '--help'],
    [['--rounds', ''], '--rounds', '--help'],
    [['--out', ''], '--out takes a value', '--help'],
    [['--update-docs', '--quick'], '--update-docs takes a whole run', 'less'],
    [['--update-docs', '--only', 'tarn'], '--update-docs takes a whole run', 'less'],
    [['--fast'], '\'--fast\'', '--help'],
  ])('refuses %j and says what there is', (args, words, remedy) => {
    let thrown: unknown;
    try {
      optionsFrom(args, known);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(Trouble);
    expect((thrown as Trouble).message).toContain(words);
    expect((thrown as Trouble).remedy).toContain(remedy);
    expect((thrown as Trouble).exitCode).toBe(2);
  });

  it('tells all chapters, contenders and options', () => {
    const text = help({ chapters: CHAPTERS });
    const options = ['--quick', '--rounds', '--only', '--out', '--update-docs', '--markdown'];
    for (const word of ['engine', 'postgres', 'start', 'generic-pool', 'undici', ...options]) expect(text).toContain(word);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(125);
  });
});

describe('the chapters', () => {
  it('have names and contenders that are said once', () => {
    const names = CHAPTERS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { contenders } of CHAPTERS) expect(new Set(contenders).size).toBe(contenders.length);
  });
});
