// SET key = value: as if the value stood in the file and the file was read again. Not kept: the file is what counts at the next start.

import { isSetting, parseValue, SETTINGS } from '../../config/settings.ts';
import type { Proxy } from '../../proxy.ts';
import { CommandError, type Answer } from '../table.ts';

export function set(proxy: Proxy, key: string, text: string): Answer {
  const name = key.toLowerCase();
  if (!isSetting(name)) throw new CommandError(`SET failed: unknown parameter: ${key}`);
  const { kind, reload } = SETTINGS[name];
  if (reload === false) throw new CommandError(`SET failed: ${name} is only read at start, change the file and restart`);
  const value = parseValue(kind, text);
  if (value === undefined) throw new CommandError(`SET failed: invalid value "${text}" for parameter ${name}`);
  const { config } = proxy;
  const done = proxy.apply({ ...config, values: { ...config.values, [name]: value } });
  const notice = done ? {} : {
    notice: { severity: 'NOTICE' as const, code: '00000', message: 'TLS settings could not be applied, still using old configuration' },
  };
  return { tag: `SET ${name}=${text}`, ...notice };
}
