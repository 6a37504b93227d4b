import { describe, expect, it } from 'vitest';
import { functionsOf, importsOf, skeleton, usesOf } from './scan.ts';

describe('the skeleton', () => {
  it('keeps length and lines, and blanks comments, strings, templates and regular expressions', () => {
    const source = [
      '// Date { in a comment',
      'const a = "Date {" + \'it\\\'s {\' /* Date { */ + `Date ${b({ c: `Date ${d} {` })} {`;',
      'const r = /Date{"[/`]/g.test(x) ? y / 2 / z : 1;',
      'return /Date/;',
    ].join('\n');
    const code = skeleton(source);
    expect(code).toHaveLength(source.length);
    expect(code.split('\n')).toHaveLength(4);
    expect(code).not.toContain('Date');
    expect(code).toContain('b({ c: `');
    expect(code).toContain('y / 2 / z');
    expect([...code].filter((char) => char === '{')).toHaveLength([...code].filter((char) => char === '}').length);
  });
});

describe('imports', () => {
  it('are found in every form, and nowhere else', () => {
    const source = [
      'import a from "./a.ts";',
      'import type { B } from \'./b.ts\';',
      'import {',
      '  c,',
      '} from \'./c.ts\';',
      'import \'./d.ts\';',
      'export { e } from "./e.ts";',
      'export type * from "./f.ts";',
      'const g = await import("./g.ts");',
      'let h: import(\'./h.ts\').H;',
      'const i = require(`./i.ts`);',
      'const j = import(name);',
      '// import "./comment.ts"',
      'const text = "from \'./string.ts\'"; Array.from("./array.ts"); x.import("./member.ts");',
    ].join('\n');
    expect(importsOf(source).map((one) => one.specifier ?? 'computed').sort()).toEqual([
      './a.ts', './b.ts', './c.ts', './d.ts', './e.ts', './f.ts', './g.ts', './h.ts', './i.ts', 'computed',
    ]);
    expect(importsOf(source).find((one) => one.specifier === './c.ts')).toMatchObject({ line: 5, dynamic: false });
    expect(importsOf(source).find((one) => one.specifier === undefined)).toMatchObject({ line: 12, dynamic: true });
  });
});

describe('names', () => {
  it('count as uses on their own, not as members or keys', () => {
    const source = 'const a = Date.now() + x.Date + { Date: 1 }.Date;\nlet p: Promise<void>; f(...Promise); MyDate; Dates; this.#process;';
    expect(usesOf(skeleton(source), ['Date', 'Promise', 'process'])).toEqual([
      { name: 'Date', line: 1 },
      { name: 'Promise', line: 2 },
      { name: 'Promise', line: 2 },
    ]);
  });
});

describe('functions', () => {
  const sizes = (source: string): number[] => functionsOf(skeleton(source)).map((one) => one.lines);

  it.each([
    ['a declaration', 'export function f<T>(a: T): void {\n}'],
    ['a return type that is a function', 'function f(): () => void {\n}'],
    ['a return type that is an object', 'function f(): { a: string } {\n}'],
    ['a return type with type arguments', 'f(a: Map<string, number>): Map<string, { b: number }> {\n}'],
    ['a one-letter return type', 'function f<T>(a: T): T {\n}'],
    ['an arrow', 'const f = async (a: number): Promise<void> => {\n};'],
    ['a method', 'class A { constructor(private a = "{") {\n} }'],
    ['a getter', 'class A { b = 1; get c(): number {\n} }'],
  ])('are found: %s', (_name, source) => {
    expect(sizes(source)).toEqual([2]);
  });

  it.each([
    ['a class', 'export abstract class A<T> extends B<T> implements C {\n}'],
    ['an object', 'const a: Record<string, () => void> = {\n};'],
    ['an object in a call', 'f(a, {\n});'],
    ['control flow', 'if (a) {\n} else if (b) {\n} else {\n}\nfor (const a of b()) {\n}\nwhile (f(a)) {\n}\ntry {\n} catch (error) {\n}'],
    ['a switch', 'switch (f(a)) {\n}'],
    ['a type', 'export interface A<T> extends B<T> {\n}\ntype C = {\n};'],
    ['an import', 'import {\n} from "a";'],
  ])('are not: %s', (_name, source) => {
    expect(sizes(source)).toEqual([]);
  });

  it('are measured from the head to the brace that closes them', () => {
    expect(sizes('function f(\n  a: number,\n) {\n  if (a) {\n    g(() => { h(); });\n  }\n}\n')).toEqual([7, 1]);
  });
});
