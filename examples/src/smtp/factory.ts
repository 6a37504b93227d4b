import { once } from 'node:events';
import { promisify } from 'node:util';
import type { Factory } from 'millpond';
import SMTPConnection from 'nodemailer/lib/smtp-connection';

/** Sessions with a mail server, past its greeting. */
export function smtpFactory(options: { readonly host: string; readonly port: number }): Factory<SMTPConnection> {
  return {
    async create({ signal }) {
      const session = new SMTPConnection(options);
      session.on('error', () => {});
      try {
        const connected = once(session, 'connect', { signal }); // rejects with an error of the session as well
        session.connect();
        await connected;
      } catch (error) {
        session.close();
        throw error;
      }
      return session;
    },
    async destroy(session, { signal }) {
      if (session.destroyed) return;
      signal.addEventListener('abort', () => session.close(), { once: true });
      const ended = new Promise((gone) => session.once('end', gone));
      session.quit();
      await ended;
    },
    // A borrower may have left a mail half-said. RSET forgets it, and an answer to it shows that the server is there.
    reset: forget,
    validate: (session) => forget(session).then(() => true),
    isBroken: (session) => session.destroyed,
    onLost(session, lost) {
      session.once('end', lost);
      return () => session.off('end', lost);
    },
  };
}

async function forget(session: SMTPConnection): Promise<void> {
  await promisify(session.reset.bind(session))();
}
