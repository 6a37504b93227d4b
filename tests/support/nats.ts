// NATS for tests: a private server, and buckets on it.

import { hasNats, startNats } from '@millpond/lab/nats';
import { Kvm, type KV } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe } from 'vitest';

export const TTL_MS = 1_500;

export interface NatsStage {
  readonly server: Awaited<ReturnType<typeof startNats>>;
  /** Another connection, and the bucket by way of it. */
  client(): Promise<{ readonly connection: NatsConnection; readonly bucket: KV }>;
}

/** Runs a group of tests on a server of their own. Without NATS they are left out, loudly; in CI it must be there. */
export function onNats(name: string, define: (stage: NatsStage) => void): void {
  const missing = !hasNats();
  if (missing) {
    const message = `nats-server is not on this machine: "${name}" is left out.`;
    if (process.env['CI'] === 'true') throw new Error(`${message} In CI it must be there.`);
    process.stderr.write(`\n!!! ${message}\n\n`);
  }
  describe.skipIf(missing)(`NATS: ${name}`, () => {
    let server: NatsStage['server'] | undefined;
    const connections: NatsConnection[] = [];
    beforeAll(async () => { server = await startNats(); });
    afterAll(async () => {
      await Promise.all(connections.map((each) => each.close()));
      await server?.stop();
    });
    define({
      get server() {
        if (server === undefined) throw new Error('the server is not up yet');
        return server;
      },
      async client() {
        const connection = await connect({ port: this.server.port, reconnectTimeWait: 50, maxReconnectAttempts: -1 });
        connections.push(connection);
        return { connection, bucket: await new Kvm(connection).create('fleets', { ttl: TTL_MS }) };
      },
    });
  });
}
