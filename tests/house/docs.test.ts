import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { codeOf, type Code } from './docs-code.ts';
import { checkDocs, docsOf } from './docs.ts';
import { oneLine, realMessages, shownMessages } from './messages.ts';
import { checkSnippets, snippetsOf } from './snippets.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const docs = docsOf(root);
const code = codeOf(root);
const isThere = (path: string): boolean => existsSync(join(root, path));

const REFERENCE = 'docs/reference/';
const MAX = `${REFERENCE}options/max.md`;
const SHARED = 'docs/guide/my-own-resource.md';

/** What is said beyond `known` when one page, or the code, is different. */
const before = checkDocs(docs, code, isThere);
function said(change: { page?: string; text?: (text: string) => string | undefined; code?: Partial<Code> }): string[] {
  const changed = new Map(docs);
  if (change.page !== undefined) {
    const text = change.text?.(docs.get(change.page) ?? '');
    if (text === undefined) changed.delete(change.page);
    else changed.set(change.page, text);
  }
  return checkDocs(changed, { ...code, ...change.code }, isThere).filter((line) => !before.includes(line));
}
const swap = (from: string | RegExp, to: string) => (text: string): string => {
  const changed = text.replace(from, to);
  expect(changed, 'nothing was planted').not.toBe(text);
  return changed;
};

describe('the documentation', () => {
  it('has a page or heading for what has a name, none for what has not, true defaults, and links that lead somewhere', () => {
    expect(before).toEqual([]);
  });

  it('is compared with code that was really read', () => {
    expect(Object.keys(code.options)).toEqual(expect.arrayContaining(['max', 'captureStacks', 'keyOf', 'maxTotal', 'forgetAfterMs']));
    expect(code.options).toMatchObject({ max: '10', idleOrder: "'lifo'", name: 'pool-1', factory: 'required', lanes: 'undefined' });
    expect(code.options).toMatchObject({ createRetry: '{ initialDelayMs: 100, maxDelayMs: 5000, factor: 2, jitter: 0.2 }' });
    expect(code.options).toMatchObject({ keyOf: 'textOf', maxTotal: 'Infinity', forgetAfterMs: '60000' });
    expect(code.errorCodes).toEqual(expect.arrayContaining(['ERR_POOL_QUEUE_FULL', 'ERR_POOL_VALIDATE_TIMEOUT', 'ERR_POOL_ABANDONED']));
    expect(code.events['state']).toEqual(['from', 'to']);
    expect(code.acquireOptions).toEqual(['signal', 'timeoutMs', 'lane', 'label']);
    expect(code.stats).toEqual(expect.arrayContaining(['size', 'waitMs']));
  });

  it('shows the messages of errors as they are', async () => {
    const real = await realMessages();
    expect([...real.keys(), 'ERR_POOL_DRIVER_MISSING'].sort()).toEqual(code.errorCodes);
    for (const [errorCode, messages] of real) {
      const shown = shownMessages(docs.get(`${REFERENCE}errors/${errorCode}.md`) ?? '');
      // Of a nested acquire the places follow.
      const begun = errorCode === 'ERR_POOL_NESTED_ACQUIRE' ? shown.map((text) => text.split(' here:')[0]) : shown;
      expect(begun, errorCode).toEqual(messages.map(oneLine));
    }
  });

  it('has examples that type-check', async () => {
    const snippets = snippetsOf(docs);
    expect(snippets.filter(({ page }) => page.startsWith('docs/')).length).toBeGreaterThan(40);
    expect(await checkSnippets(root, snippets, SHARED)).toEqual([]);
  });
});

const parts = (last: string): string => `1. / 2. / 3. / Options, old and new / What behaves differently / ${last}`;

describe('the check of the documentation bites', () => {
  it('when a default is not true', () => {
    const stated = swap('| Default | `10` |', '| Default | `12` |');
    expect(said({ page: MAX, text: stated })).toEqual([`${MAX}: says that the default is 12, but it is 10`]);
    const index = `${REFERENCE}options/README.md`;
    expect(said({ code: { options: { ...code.options, max: '20' } } })).toEqual([
      `${MAX}: says that the default is 10, but it is 20`, `${index}: says that the default of max is 10, but it is 20`,
    ]);
    const listed = swap('(max.md) | `10`', '(max.md) | `11`');
    expect(said({ page: index, text: listed })).toEqual([`${index}: says that the default of max is 11, but it is 10`]);
    const shedding = `${REFERENCE}options/shedding.md`;
    expect(said({ page: shedding, text: swap('targetMs: 20,', 'targetMs: 5,') })).toEqual([
      `${shedding}: says that true means { targetMs: 5, intervalMs: 1000 }, but it means { targetMs: 20, intervalMs: 1000 }`,
    ]);
  });

  it('when something has no page or heading', () => {
    const options = { ...code.options, newOption: '1' };
    expect(said({ code: { options } })).toEqual([`${REFERENCE}options/newOption.md: there is no such page`]);
    const errorCodes = [...code.errorCodes, 'ERR_POOL_NEW'];
    expect(said({ code: { errorCodes } })).toEqual([`${REFERENCE}errors/ERR_POOL_NEW.md: there is no such page`]);
    const reasons = [...code.reasons, 'boredom'];
    expect(said({ code: { reasons } })).toEqual([`${REFERENCE}destroy-reasons.md: has no heading for boredom`]);
    const acquireOptions = [...code.acquireOptions, 'haste'];
    expect(said({ code: { acquireOptions } })).toEqual([`${REFERENCE}acquire-options.md: has no heading for haste`]);
    expect(said({ code: { events: { ...code.events, yawn: [] } } })).toEqual([
      `${REFERENCE}events.md: has no heading for yawn`, `${REFERENCE}events.md: does not name the channel millpond:yawn`,
    ]);
    expect(said({ code: { stats: [...code.stats, 'yawning'] } })).toEqual([`${REFERENCE}stats.md: does not explain yawning`]);
  });

  it('when a page or heading stands for nothing', () => {
    const { max: _, ...options } = code.options;
    expect(said({ code: { options } })).toEqual([
      `${MAX}: a page for something that does not exist`, `${REFERENCE}options/README.md: lists max, which is no option`,
    ]);
    const queueFull = 'ERR_POOL_QUEUE_FULL';
    expect(said({ code: { errorCodes: code.errorCodes.filter((each) => each !== queueFull) } }))
      .toEqual([`docs/reference/errors/${queueFull}.md: a page for something that does not exist`]);
    const reasons = code.reasons.slice(1);
    expect(said({ code: { reasons } })).toEqual([`${REFERENCE}destroy-reasons.md: has a heading for idleTimeout, which does not exist`]);
    const stats = code.stats.filter((each) => each !== 'waitMs');
    expect(said({ code: { stats } })).toEqual([`${REFERENCE}stats.md: explains waitMs, which does not exist`]);
    expect(said({ code: { classes: code.classes.filter((each) => each !== 'QueueFullError') } }))
      .toEqual([`docs/reference/errors/${queueFull}.md: there is no class QueueFullError`]);
  });

  it('when the fields of an event are others', () => {
    expect(said({ code: { events: { ...code.events, state: ['from', 'to', 'why'] } } }))
      .toEqual(['docs/reference/events.md: says that state has the fields from, to, but it has from, to, why']);
  });

  it('when a page goes, or a link leads nowhere', () => {
    expect(said({ page: MAX, text: () => undefined })).toEqual(expect.arrayContaining([
      `${MAX}: there is no such page`, 'docs/reference/options/strictMax.md: the link max.md leads nowhere',
    ]));
    const astray = swap('(strictMax.md)', '(strictMax.md#nothing)');
    expect(said({ page: MAX, text: astray })).toEqual([`${MAX}: the link strictMax.md#nothing leads nowhere`]);
    expect(said({ page: 'docs/new.md', text: () => '[there](reference/) [here](#here)\n# Here\n[not](../absent.txt)\n' }))
      .toEqual(['docs/new.md: the link ../absent.txt leads nowhere']);
  });

  it('when a page lacks a part, or a line is too long', () => {
    expect(said({ page: MAX, text: swap('## At the edges', '## Edges') })).toEqual([`${MAX}: has no section "At the edges"`]);
    expect(said({ page: MAX, text: swap('# `max`', '# max') })).toEqual([`${MAX}: does not begin with "# \`max\`"`]);
    const wide = `${'x'.repeat(141)}\n| ${'y'.repeat(141)} |\n`;
    expect(said({ page: 'docs/new.md', text: () => wide })).toEqual(['docs/new.md:1: 141 characters; at most 140']);
  });

  it('when a page about moving from another pool has other headings than its like', () => {
    const moving = 'docs/guide/moving-from-tarn.md';
    expect(said({ page: moving, text: swap('## How to go back', '## And back') })).toEqual([
      `${moving}: has the headings ${parts('And back')}, not ${parts('How to go back')}`,
    ]);
    const nothingBefore = said({ page: moving, text: swap(/Before/g, 'Then') });
    expect(nothingBefore).toEqual([`${moving}: does not show code before and after`]);
  });

  it('when an example does not type-check, with the line of the page', async () => {
    const line = snippetsOf(docs).find(({ page, name }) => page === SHARED && name === 'line.ts');
    const page = [
      '# New', '', '```ts', "import { Pool } from 'millpond';", "import { lineFactory } from './line.ts';", '',
      'new Pool({ factory: lineFactory(7000), maks: 3 });', '```', '',
    ].join('\n');
    const printed = await checkSnippets(root, [line!, ...snippetsOf(new Map([['docs/new.md', page]]))], SHARED);
    expect(printed.filter((each) => !each.startsWith(' '))).toEqual([expect.stringMatching(/^docs\/new\.md:7: error TS2353: .*'maks'/)]);
  });
});
