// An SSH server in this process, for one user, with two commands.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import ssh2, { type Connection, type ServerChannel } from 'ssh2';

export class SshServer {
  /** Connections that are open. */
  readonly sockets: Set<Socket> = new Set();
  port = 0;
  readonly #ssh = new ssh2.Server({ hostKeys: [ssh2.utils.generateKeyPairSync('ed25519').private] }, serve);
  #tcp: Server | undefined;

  async listen(): Promise<void> {
    this.#tcp = createServer((socket) => {
      this.sockets.add(socket.on('close', () => this.sockets.delete(socket)));
      this.#ssh.injectSocket(socket);
    });
    this.#tcp.listen(this.port, '127.0.0.1');
    await once(this.#tcp, 'listening');
    this.port = (this.#tcp.address() as AddressInfo).port;
  }

  /** No new connections; those that are there stay. */
  close(): void {
    this.#tcp?.close();
  }
}

function serve(connection: Connection): void {
  connection.on('error', () => {});
  connection.on('authentication', (login) => {
    if (login.method === 'password' && login.username === 'app' && login.password === 'secret') login.accept();
    else login.reject(['password']);
  });
  connection.on('session', (accept) => {
    accept().on('exec', (run, _reject, { command }) => execute(run(), command));
  });
}

function execute(channel: ServerChannel, command: string): void {
  const [name, ...words] = command.split(' ');
  if (name === 'echo') channel.write(`${words.join(' ')}\n`);
  channel.exit(name === 'echo' || name === 'true' ? 0 : 127);
  channel.end();
}
