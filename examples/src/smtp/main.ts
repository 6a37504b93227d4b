// Twenty mails over three sessions, and one that is broken off in the middle: the next borrower's is not mixed up with it.
import { promisify } from 'node:util';
import { Pool } from 'millpond';
import type SMTPConnection from 'nodemailer/lib/smtp-connection';
import { smtpFactory } from './factory.ts';
import { MailServer } from './server.ts';

const server = new MailServer();
await server.listen();
const pool = new Pool({ name: 'mail', min: 3, max: 3, factory: smtpFactory({ host: '127.0.0.1', port: server.port }) });
await pool.ready();

const send = (session: SMTPConnection, to: string, text: string): Promise<unknown> =>
  promisify(session.send.bind(session))({ from: 'app@example.com', to: [to] }, text);

await Promise.all(Array.from({ length: 20 }, (_, index) =>
  pool.use((session) => send(session, `user${index}@example.com`, `hello ${index}\r\n`))));
console.log('mails:', server.mails.length, 'sessions:', pool.stats().totals.created);

const refused = await pool.use((session) => send(session, 'no address', 'never said').catch((error: unknown) => (error as Error).message));
console.log('refused:', refused);
await pool.use((session) => send(session, 'after@example.com', 'hello after all\r\n'));
console.log('the next one went to:', server.mails.at(-1)?.to.join(', '));

await pool.close();
await server.close();
