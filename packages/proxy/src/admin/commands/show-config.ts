import { formatValue, SETTING_NAMES, SETTINGS } from '../../config/settings.ts';
import type { Proxy } from '../../proxy.ts';
import { show, type Answer } from '../table.ts';

/** Every setting: what it is, what it is by default, and whether RELOAD and SET change it. */
export function showConfig({ config }: Proxy): Answer {
  const rows = SETTING_NAMES.map((name) => {
    const setting = SETTINGS[name];
    return [name, formatValue(setting.kind, config.values[name]), setting.default, setting.reload === false ? 'no' : 'yes'];
  });
  return show('key value default changeable', rows);
}
