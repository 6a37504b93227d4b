// Whether a port is free: where several processes share one, the system lets a further proxy in as well, by mistake.

import { createServer } from 'node:net';
import type { Values } from '../config/settings.ts';

/** Rejects if somebody listens at one of the addresses. */
export async function mustBeFree({ listen_addr: addresses, listen_port: port }: Values): Promise<void> {
  for (const address of addresses) {
    await new Promise<void>((resolve, reject) => {
      const server = createServer();
      server.once('error', reject).listen({ host: address === '*' ? '::' : address, port }, () => server.close(() => resolve()));
    });
  }
}
