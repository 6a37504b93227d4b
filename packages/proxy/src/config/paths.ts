// Where a file is that a configuration names.

import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** From where the process was started, as PgBouncer has it; what is not there is looked for beside the configuration. */
export function fileNamed(name: string, conffile: string): string {
  const here = resolve(name);
  return conffile === '' || existsSync(here) ? here : resolve(dirname(conffile), name);
}
