// The smallest protocol there is: a line is answered with the same line. Both ends of it.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createSecureServer } from 'node:tls';
import type { Certificate } from '../../servers/certificate.ts';

/** `port`: 0 is a free one. */
export async function startLineServer(
  certificate: Certificate | undefined, port = 0,
): Promise<{ readonly server: Server; readonly port: number }> {
  const answer = (socket: Socket): void => {
    socket.setNoDelay(true);
    // What is asked here fits into one segment, and there is one question at a time.
    socket.on('data', (line) => socket.write(line)).on('error', () => undefined);
  };
  const server = certificate === undefined ? createServer(answer) : createSecureServer(certificate, answer);
  // The backlog of Node is 511, and a caller that is turned away for a moment waits for a second.
  server.listen({ port, host: '127.0.0.1', backlog: 4096 });
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

const QUESTION = Buffer.from('what is the answer\n');

/** One exchange. Rejects when the connection ends before the answer. */
export function ask(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      socket.removeListener('data', onData).removeListener('error', onEnd).removeListener('close', onEnd);
    };
    const onEnd = (): void => {
      leave();
      reject(socket.errored ?? new Error('the connection ended before the answer'));
    };
    const onData = (answer: Buffer): void => {
      leave();
      if (answer.equals(QUESTION)) resolve();
      else reject(new Error(`a wrong answer: ${String(answer)}`));
    };
    socket.on('data', onData).on('error', onEnd).on('close', onEnd);
    socket.write(QUESTION);
  });
}
