// What PgBouncer shows and there is nothing of here: tables without rows, so that whoever asks for all of them goes on; and what cannot be
// shown at all.

import { CommandError, show, type Answer } from '../table.ts';

/** Names are resolved by the system, which tells nobody what it keeps. */
export const showDnsHosts = (): Answer => show('hostname ttl:int8 addrs', []);
export const showDnsZones = (): Answer => show('zonename serial:int8 count:int4', []);

/** Cancels are handed on over connections of their own, which nobody keeps. */
export const showPeerPools = (): Answer =>
  show('peer_id:int4 cl_active_cancel_req:int4 cl_waiting_cancel_req:int4 sv_active_cancel:int4 sv_login:int4', []);

export function showFds(): Answer {
  throw new CommandError('SHOW FDS is not supported: sockets cannot be handed to another process from Node');
}
