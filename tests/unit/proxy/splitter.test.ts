import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  BrokenStreamError, DROP, HEADER, PASS, REST, Splitter, type Fate, type Sink,
} from '../../../packages/proxy/src/wire/pg/splitter.ts';
import { message } from '../../../packages/proxy/src/wire/pg/write.ts';

/** What becomes of a message, by its type: letters, so that a failure can be read. */
const FATES: Readonly<Record<string, { readonly fate: Fate; readonly wants: number }>> = {
  p: { fate: PASS, wants: 0 }, w: { fate: PASS, wants: Infinity }, h: { fate: PASS, wants: 3 },
  d: { fate: DROP, wants: 0 }, e: { fate: DROP, wants: Infinity }, r: { fate: REST, wants: 2 }, i: { fate: PASS, wants: 1 },
};

/** Everything that came out, and what the sink was shown. */
class Seen implements Sink {
  readonly out: Buffer[] = [];
  readonly shown: string[] = [];
  splitter!: Splitter;

  wants(type: number): number {
    return FATES[String.fromCharCode(type)]!.wants;
  }

  message(type: number, bodyLength: number, bytes: Buffer): Fate {
    const letter = String.fromCharCode(type);
    this.shown.push(`${letter}${bodyLength}:${bytes.toString('latin1', HEADER)}`);
    // What a sink writes by itself stands where the message stood.
    if (letter === 'i') {
      this.splitter.flush();
      this.out.push(Buffer.from('<i>'));
    }
    return FATES[letter]!.fate;
  }

  forward(bytes: Buffer): void {
    expect(bytes.length).toBeGreaterThan(0);
    this.out.push(Buffer.from(bytes));
  }
}

function run(chunks: readonly Buffer[]): { readonly out: string; readonly shown: readonly string[]; readonly calls: number } {
  const seen = new Seen();
  seen.splitter = new Splitter(seen);
  for (const chunk of chunks) seen.splitter.push(chunk);
  expect(seen.splitter.isAtBoundary).toBe(true);
  return { out: Buffer.concat(seen.out).toString('latin1'), shown: seen.shown, calls: seen.out.length };
}

/** What has to come out, from the messages themselves. */
function expected(messages: readonly { readonly letter: string; readonly body: string }[]): { out: string; shown: string[] } {
  const parts = messages.map(({ letter, body }) => {
    const { fate, wants } = FATES[letter]!;
    const whole = message(letter.charCodeAt(0), body).toString('latin1');
    const own = letter === 'i' ? '<i>' : '';
    return own + (fate === PASS ? whole : fate === DROP ? '' : body.slice(wants));
  });
  return { out: parts.join(''), shown: messages.map(({ letter, body }) => `${letter}${body.length}:`) };
}

const messages = fc.array(fc.record({
  letter: fc.constantFrom(...Object.keys(FATES)),
  body: fc.string({ maxLength: 12, unit: fc.constantFrom('a', 'b', 'c') }),
}), { maxLength: 8 });

it('passes on, drops and shows the same wherever the stream is cut', () => {
  fc.assert(fc.property(messages, fc.array(fc.nat({ max: 200 }), { maxLength: 6 }), (all, cuts) => {
    const stream = Buffer.concat(all.map(({ letter, body }) => message(letter.charCodeAt(0), body)));
    const at = [0, ...cuts.map((cut) => cut % (stream.length + 1)), stream.length].sort((a, b) => a - b);
    const chunks = at.slice(1).map((end, index) => stream.subarray(at[index], end)).filter(({ length }) => length > 0);
    const told = run(chunks);
    const { out, shown } = expected(all);
    expect(told.out).toBe(out);
    // At least what was wanted is shown; the rest of the chunk is not.
    expect(told.shown.map((each) => each.slice(0, each.indexOf(':') + 1))).toEqual(shown);
    for (const [index, each] of told.shown.entries()) {
      const { letter, body } = all[index]!;
      expect(each.slice(each.indexOf(':') + 1)).toBe(body.slice(0, FATES[letter]!.wants));
    }
  }), { numRuns: 2_000 });
});

it('takes one byte at a time', () => {
  const all = [{ letter: 'w', body: 'abc' }, { letter: 'r', body: 'abcabc' }, { letter: 'd', body: 'cc' }, { letter: 'p', body: '' }];
  const stream = Buffer.concat(all.map(({ letter, body }) => message(letter.charCodeAt(0), body)));
  expect(run([...stream].map((byte) => Buffer.from([byte]))).out).toBe(expected(all).out);
});

it('passes many messages of a chunk on at once, without a copy', () => {
  const stream = Buffer.concat(Array.from({ length: 100 }, () => message(0x70, 'body')));
  expect(run([stream]).calls).toBe(1);
});

it('passes a long message on as it comes, and keeps none of it', () => {
  const seen = new Seen();
  const splitter = new Splitter(seen);
  const header = Buffer.from([0x70, 0x40, 0, 0, 0]);
  splitter.push(header);
  for (let n = 0; n < 10; n++) {
    splitter.push(Buffer.alloc(65_536));
    expect(seen.out.at(-1)!.length).toBe(65_536);
  }
  expect(splitter.isAtBoundary).toBe(false);
});

it('refuses a length that cannot be, and one above the limit', () => {
  const broken = Buffer.from([0x70, 0, 0, 0, 3]);
  expect(() => new Splitter(new Seen()).push(broken)).toThrow(BrokenStreamError);
  expect(() => new Splitter(new Seen(), 10).push(message(0x70, 'seven b'))).toThrow(BrokenStreamError);
  expect(() => new Splitter(new Seen(), 10).push(message(0x70, 'six by'))).not.toThrow();
});
