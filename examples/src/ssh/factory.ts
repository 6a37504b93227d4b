import { once } from 'node:events';
import type { Factory } from 'millpond';
import ssh2, { type Client, type ConnectConfig } from 'ssh2';

/** SSH connections. Each carries several commands at once, so a pool of them may say `sharing`. */
export function sshFactory(config: ConnectConfig): Factory<Client> {
  const closed = new WeakSet<Client>();
  return {
    async create({ signal }) {
      const client = new ssh2.Client();
      client.on('error', () => {}).on('close', () => closed.add(client));
      try {
        const ready = once(client, 'ready', { signal }); // rejects with an error of the client as well
        client.connect(config);
        await ready;
      } catch (error) {
        client.destroy();
        throw error;
      }
      return client;
    },
    async destroy(client, { signal }) {
      if (closed.has(client)) return;
      signal.addEventListener('abort', () => client.destroy(), { once: true });
      client.end();
      await new Promise<void>((gone) => client.once('close', () => gone()));
    },
    validate: async (client) => await run(client, 'true') === '',
    isBroken: (client) => closed.has(client),
    onLost(client, lost) {
      client.once('close', lost);
      return () => client.off('close', lost);
    },
    // A wrong password is not tried again: servers lock accounts, and addresses.
    classify: (error) => (error as { level?: string } | null | undefined)?.level === 'client-authentication' ? 'permanent' : 'transient',
  };
}

/** The output of a command; rejects unless it ends with exit code 0. */
export function run(client: Client, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      if (error !== undefined) return reject(error);
      let output = '';
      channel.on('data', (chunk: Buffer) => { output += String(chunk); });
      channel.stderr.resume();
      return channel.on('close', (code?: number) => code === 0 ? resolve(output) : reject(new Error(`${command}: exit code ${code}`)));
    });
  });
}
