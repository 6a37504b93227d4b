// A strict reader of Prometheus' text exposition format 0.0.4: it takes what a server would take and what its linter would not complain
// about, and throws for everything else.

export interface ExposedFamily {
  readonly type: string;
  readonly help: string;
  /** By the name of the line and its labels, sorted: `name{a="1",b="2"}`. */
  readonly samples: Map<string, number>;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/;
const VALUE = /^(?:[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN)$/;

/** The families by name. */
export function parseExposition(text: string): Map<string, ExposedFamily> {
  const families = new Map<string, ExposedFamily>();
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  let current: { name: string; family: ExposedFamily } | undefined;
  let help: { name: string; text: string } | undefined;
  for (const [at, line] of text.split('\n').entries()) {
    const fail = (what: string): never => { throw new Error(`line ${at + 1}: ${what}: ${line}`); };
    if (line === '') continue;
    const [, word, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (word === 'HELP') {
      if (families.has(name)) fail('a family twice');
      help = { name, text: rest };
      current = undefined;
    } else if (word === 'TYPE') {
      if (!NAME.test(name) || help?.name !== name) fail('a type without its help before it');
      if (!/^(?:counter|gauge|histogram)$/.test(rest)) fail('an unknown type');
      if ((rest === 'counter') !== name.endsWith('_total')) fail('counters, and nothing else, end in _total');
      current = { name, family: { type: rest, help: help!.text, samples: new Map() } };
      families.set(name, current.family);
    } else {
      if (current === undefined) return fail('a sample outside of its family');
      readSample(line, current, fail);
    }
  }
  for (const [name, { type, samples }] of families) {
    if (samples.size === 0) throw new Error(`${name} has no samples`);
    if (type === 'histogram') checkHistogram(name, samples);
  }
  return families;
}

function readSample(line: string, { name, family }: { name: string; family: ExposedFamily }, fail: (what: string) => never): void {
  const [, full = '', body = '', value = ''] = /^([^{ ]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? fail('not a sample');
  const suffix = full.slice(name.length);
  const known = family.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
  if (!full.startsWith(name) || !known.includes(suffix)) fail(`does not belong to ${name}`);
  const labels = new Map<string, string>();
  for (let rest = body; rest !== '';) {
    const match = LABEL.exec(rest) ?? fail('labels that cannot be read');
    if (labels.has(match[1]!)) fail('a label twice');
    labels.set(match[1]!, match[2]!.replaceAll(/\\(.)/g, (_, escaped: string) => escaped === 'n' ? '\n' : escaped));
    rest = rest.slice(match[0].length);
  }
  if (!VALUE.test(value)) fail('a value that cannot be read');
  const key = keyOf(full, Object.fromEntries(labels));
  if (family.samples.has(key)) fail('a series twice');
  family.samples.set(key, Number(value.replace('Inf', 'Infinity')));
}

export function keyOf(name: string, labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).sort(([a], [b]) => a < b ? -1 : 1).map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  return `${name}{${pairs.join(',')}}`;
}

/** Buckets are cumulative and ascending, and the last is everything. */
function checkHistogram(name: string, samples: ReadonlyMap<string, number>): void {
  const last = new Map<string, { le: number; count: number }>();
  for (const [key, count] of samples) {
    const le = /[{,]le="([^"]+)"/.exec(key)?.[1];
    if (!key.startsWith(`${name}_bucket`) || le === undefined) continue;
    const series = key.replace(`le="${le}"`, '');
    const before = last.get(series) ?? { le: -Infinity, count: 0 };
    const bound = Number(le.replace('+Inf', 'Infinity'));
    if (bound <= before.le || count < before.count) throw new Error(`${key} is out of order`);
    last.set(series, { le: bound, count });
  }
  const counts = [...samples].filter(([key]) => key.startsWith(`${name}_count`)).map(([, count]) => count);
  const ends = [...last.values()];
  if (ends.length !== counts.length || ends.some(({ le, count }, at) => le !== Infinity || count !== counts[at])) {
    throw new Error(`${name} does not end with all`);
  }
}
