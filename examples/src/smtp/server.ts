// A mail server in this process, which keeps what it gets.
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { SMTPServer } from 'smtp-server';

export class MailServer {
  /** In the order in which they came. */
  readonly mails: { readonly to: readonly string[]; readonly text: string }[] = [];
  /** Sessions that are open. */
  readonly sockets: Set<Socket> = new Set();
  port = 0;
  #server: SMTPServer | undefined;

  async listen(): Promise<void> {
    const smtp = new SMTPServer({
      authOptional: true, disabledCommands: ['STARTTLS'], disableReverseLookup: true, closeTimeout: 100,
      onData: (stream, { envelope }, done) => {
        let text = '';
        stream.on('data', (chunk: Buffer) => { text += String(chunk); });
        stream.on('end', () => {
          this.mails.push({ to: envelope.rcptTo.map(({ address }) => address), text });
          done();
        });
      },
    });
    smtp.on('error', () => {});
    smtp.server.on('connection', (socket: Socket) => this.sockets.add(socket.on('close', () => this.sockets.delete(socket))));
    smtp.listen(this.port, '127.0.0.1');
    await once(smtp.server, 'listening');
    this.port = (smtp.server.address() as AddressInfo).port;
    this.#server = smtp;
  }

  /** Ends the sessions, too. */
  close(): Promise<void> {
    return new Promise((closed) => { if (this.#server === undefined) closed(); else this.#server.close(() => closed()); });
  }
}
