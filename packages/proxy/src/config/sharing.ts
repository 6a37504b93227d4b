// Whether several processes can listen at one port, as `workers` and `so_reuseport` want it: Node can since a certain version. Pure.

import type { SettingName, Values } from './settings.ts';

const SINCE = [22, 12] as const;
/** Where the system divides connections among those who listen at one port. */
const PLATFORMS: ReadonlySet<NodeJS.Platform> = new Set(['linux', 'freebsd', 'aix', 'sunos']);
const MAX_WORKERS = 64;

interface SharingProblem {
  readonly key: SettingName;
  readonly message: string;
}

/** The part of `process` that decides. */
export interface Runtime {
  readonly platform: NodeJS.Platform;
  readonly version: string;
}

export function canSharePorts({ platform, version: tagged }: Runtime): boolean {
  return PLATFORMS.has(platform) && isRecent(tagged);
}

/** Of a version like `v22.12.0`. */
function isRecent(version: string): boolean {
  const [major = 0, minor = 0] = version.replace('v', '').split('.').map(Number);
  return major > SINCE[0] || (major === SINCE[0] && minor >= SINCE[1]);
}

/** What is wrong with the settings that are about it. */
export function sharingProblem(
  { workers, so_reuseport: reuses, listen_port: port }: Values, runtime: Runtime,
): SharingProblem | undefined {
  const { platform, version } = runtime;
  const cannot = (asked: string): string => (PLATFORMS.has(platform)
    ? `${asked} needs Node ${SINCE.join('.')} or later, which can share a port between processes; this is Node ${version}`
    : `${asked} needs a system that can share a port between processes, as Linux and FreeBSD can; this is ${platform}`);
  if (workers < 1 || workers > MAX_WORKERS) return { key: 'workers', message: `workers must be from 1 to ${MAX_WORKERS}, not ${workers}` };
  if (workers > 1 && !canSharePorts(runtime)) return { key: 'workers', message: cannot(`workers = ${workers}`) };
  if (workers > 1 && port === 0) return { key: 'workers', message: 'workers need a listen_port that they all have, not 0' };
  if (reuses && !canSharePorts(runtime)) return { key: 'so_reuseport', message: cannot('so_reuseport = 1') };
  return undefined;
}
