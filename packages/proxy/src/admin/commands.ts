// Every command of the console by its name, in lower case.

import type { Proxy } from '../proxy.ts';
import {
  disable, enable, kill, killClient, pause, reconnect, reload, resume, waitClose, type Context,
} from './commands/control.ts';
import { showConfig } from './commands/show-config.ts';
import { showDatabases } from './commands/show-databases.ts';
import { showHelp } from './commands/show-help.ts';
import { showLists, showMem, showPeers, showState } from './commands/show-lists.ts';
import { showDnsHosts, showDnsZones, showFds, showPeerPools } from './commands/show-none.ts';
import { showPools } from './commands/show-pools.ts';
import { showActiveSockets, showClients, showServers, showSockets } from './commands/show-sockets.ts';
import { showStats, showStatsAverages, showStatsTotals, showTotals } from './commands/show-stats.ts';
import { showUsers } from './commands/show-users.ts';
import { showVersion } from './commands/show-version.ts';
import { shutdown } from './commands/shutdown.ts';
import { suspend } from './commands/suspend.ts';
import type { Answer } from './table.ts';

/** What stands behind SHOW. */
export const SHOWS: ReadonlyMap<string, (proxy: Proxy) => Answer> = new Map([
  ['active_sockets', showActiveSockets], ['clients', showClients], ['config', showConfig], ['databases', showDatabases],
  ['dns_hosts', showDnsHosts], ['dns_zones', showDnsZones], ['fds', showFds], ['help', showHelp], ['lists', showLists], ['mem', showMem],
  ['peer_pools', showPeerPools], ['peers', showPeers], ['pools', showPools], ['servers', showServers], ['sockets', showSockets],
  ['state', showState], ['stats', showStats], ['stats_averages', showStatsAverages], ['stats_totals', showStatsTotals],
  ['totals', showTotals], ['users', showUsers], ['version', showVersion],
]);

type Run = (context: Context) => Promise<Answer> | Answer | undefined;

/** What changes something, for admins only. Undefined instead of an answer: there is no such command with this argument. */
export const COMMANDS: ReadonlyMap<string, Run> = new Map<string, Run>([
  ['disable', disable], ['enable', enable], ['kill', kill], ['kill_client', killClient], ['pause', pause], ['reconnect', reconnect],
  ['reload', (context) => (context.argument === undefined ? reload(context) : undefined)], ['resume', resume],
  ['shutdown', shutdown], ['suspend', (context) => (context.argument === undefined ? suspend(context) : undefined)],
  ['wait_close', waitClose],
]);
