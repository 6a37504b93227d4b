// docs/reference/proxy-settings.md is made of the tables that the loader reads. To write it anew: this file with `--update`.

import { expect, it } from 'vitest';
import { OF_DATABASES, OF_PEERS, OF_USERS, PARAMETERS } from '../../../packages/proxy/src/config/config.ts';
import { isSetting, SETTING_NAMES, SETTINGS, type Kind } from '../../../packages/proxy/src/config/settings.ts';

const PAGE = '../../../docs/reference/proxy-settings.md';

const KINDS: Readonly<Record<Extract<Kind, string>, string>> = {
  text: 'text', list: 'list', int: 'number', octal: 'octal number', flag: '0 or 1', seconds: 'seconds',
};

const kindOf = (kind: Kind): string => (typeof kind === 'string' ? KINDS[kind] : kind.oneOf.map((word) => `\`${word}\``).join(', '));

function settings(): string[] {
  return SETTING_NAMES.map((name) => {
    const { kind, default: value, reload, own, doc } = SETTINGS[name];
    const changes = reload === false ? 'at start' : 'any time';
    return `| \`${name}\`${own === true ? ' (own)' : ''} | ${kindOf(kind)} | ${value === '' ? '' : `\`${value}\``} | ${changes} | ${doc} |`;
  });
}

function keys(table: typeof OF_DATABASES): string[] {
  return Object.entries(table).map(([name, { kind, doc }]) => {
    // What says nothing of itself has to be a setting that does.
    if (doc === undefined && !isSetting(name)) throw new Error(`${name} has no words of its own, and is no setting`);
    return `| \`${name}\` | ${kindOf(kind)} | ${doc ?? `As \`${name}\` above.`} |`;
  });
}

const text = (): string => `# Settings of the proxy

What may stand in the file that \`millpond-proxy\` reads, \`pgbouncer.ini\`. Names, meanings and defaults are PgBouncer's; those marked
"own" are not there in PgBouncer. What is changed "at any time" is changed by RELOAD, by SIGHUP and, until the next RELOAD or start, by
\`SET\` in the [console](proxy-console.md). This page is made of the tables that the loader reads.

The syntax: sections in brackets; \`key = value\` up to the end of the line; comments begin a line with \`;\` or \`#\`; \`%include file\`.
The last value of a name counts. Times are in seconds, with a fraction if need be. What is not known is an error, with its file and line;
\`millpond-proxy --check pgbouncer.ini\` says all of them.

## \`[pgbouncer]\`

| setting | kind | default | changes | meaning |
|---|---|---|---|---|
${settings().join('\n')}

## \`[databases]\`

A line each: the name that clients ask for, and \`key=value\` pairs with blanks between them; values with blanks in quotes. The name \`*\`
stands for every name that is not there.

| key | kind | meaning |
|---|---|---|
${keys(OF_DATABASES).join('\n')}
${Object.keys(PARAMETERS).map((name) => `| \`${name}\` | text | A parameter that every server connection begins with. |`).join('\n')}

## \`[users]\`

| key | kind | meaning |
|---|---|---|
${keys(OF_USERS).join('\n')}

## \`[peers]\`

Other proxies behind the same address, by their \`peer_id\`: a cancel that reaches the wrong one is passed on.

| key | kind | meaning |
|---|---|---|
${keys(OF_PEERS).join('\n')}
`;

it('has a line for everything that may be set, as it is', async () => {
  await expect(text()).toMatchFileSnapshot(PAGE);
});
