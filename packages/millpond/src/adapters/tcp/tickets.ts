// TLS sessions to resume, the latest per address. A resumed handshake costs neither side a signature nor a chain of certificates; the rest
// of it, and Node's own work around it, stay.
//
// A resumed session is not asked for its certificate again: Node checks the name of a server in full handshakes only. So a session is
// remembered when its own connection was accepted, and only for connections that would ask for the same name with the same options.

export class Tickets {
  /** Oldest use first. */
  private readonly sessions = new Map<string, Buffer>();
  private readonly max: number;

  constructor(max: number) {
    this.max = max;
  }

  get(key: string): Buffer | undefined {
    const session = this.sessions.get(key);
    if (session !== undefined) this.set(key, session);
    return session;
  }

  set(key: string, session: Buffer): void {
    if (this.max === 0) return;
    this.sessions.delete(key);
    this.sessions.set(key, session);
    if (this.sessions.size > this.max) this.sessions.delete(this.sessions.keys().next().value!);
  }

  /** Forgets a session that did not work, unless there is a later one by now. */
  drop(key: string, session: Buffer): void {
    if (this.sessions.get(key) === session) this.sessions.delete(key);
  }
}
