import type { Answer } from '../table.ts';
import type { Context } from './control.ts';

/** At once, or as soon as all clients have gone, or their server connections are free. Undefined: none of these. */
export function shutdown({ proxy, argument }: Context): Answer | undefined {
  switch (argument?.toLowerCase()) {
    case undefined: void proxy.close(); break;
    case 'wait_for_clients': void proxy.close({ wait: 'clients' }); break;
    case 'wait_for_servers': void proxy.close({ wait: 'servers' }); break;
    default: return undefined;
  }
  return { tag: 'SHUTDOWN' };
}
