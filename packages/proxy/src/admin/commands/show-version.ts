import { readFileSync } from 'node:fs';
import { show, type Answer } from '../table.ts';

const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };

/** In PgBouncer's words, since tools look for them, and whose they are. */
export const VERSION = `PgBouncer 1.25.0 compatible, millpond proxy ${manifest.version}`;

export function showVersion(): Answer {
  return show('version', [[VERSION]]);
}
