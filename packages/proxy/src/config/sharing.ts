// Whether several processes can listen at one port, as `workers` and `so_reuseport` want it: Node can since a certain version. Pure.

import type { SettingName, Values } from './settings.ts';

const SINCE = [22, 12] as const;
const MAX_WORKERS = 64;

interface SharingProblem {
  readonly key: SettingName;
  readonly message: string;
}

/** Of a version like `22.12.0`. */
export function canSharePorts(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > SINCE[0] || (major === SINCE[0] && minor >= SINCE[1]);
}

/** What is wrong with the settings that are about it; `version`: of Node. */
export function sharingProblem({ workers, so_reuseport: reuses, listen_port: port }: Values, version: string): SharingProblem | undefined {
  const cannot = (asked: string): string =>
    `${asked} needs Node ${SINCE.join('.')} or later, which can share a port between processes; this is Node ${version}`;
  if (workers < 1 || workers > MAX_WORKERS) return { key: 'workers', message: `workers must be from 1 to ${MAX_WORKERS}, not ${workers}` };
  if (workers > 1 && !canSharePorts(version)) return { key: 'workers', message: cannot(`workers = ${workers}`) };
  if (workers > 1 && port === 0) return { key: 'workers', message: 'workers need a listen_port that they all have, not 0' };
  if (reuses && !canSharePorts(version)) return { key: 'so_reuseport', message: cannot('so_reuseport = 1') };
  return undefined;
}
