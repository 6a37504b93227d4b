// The sessions of a role, read in the server's log afterwards. Looks at pg_stat_activity may miss what is there for a moment; here each one
// counts from the moment its socket was accepted, before it is known whose it is, to the moment its backend was gone.

/** Settings of a server whose log has what {@link sessionsOf} reads. */
export const LOGGED = { log_connections: 'on', log_disconnections: 'on' } as const;

export interface Sessions {
  /** How many there were, those that were refused aside. */
  readonly count: number;
  /** The most at once. */
  readonly most: number;
  /** Because there was no connection left. */
  readonly refused: number;
}

const LINE = /\[(\d+)\] (LOG|FATAL): {2}(.*)/;
const FULL = /^(too many connections for role|sorry, too many clients|remaining connection slots)/;

interface Session {
  readonly from: number;
  role: string | undefined;
  refused: boolean;
  to: number;
}

/** All sessions of the role, by the log of a server with {@link LOGGED}. */
export function sessionsOf(log: string, role: string): Sessions {
  const all: Session[] = [];
  const open = new Map<string, Session>();
  for (const [at, line] of log.split('\n').entries()) {
    const [, pid = '', , words = ''] = LINE.exec(line) ?? [];
    if (words.startsWith('connection received:')) {
      const session = { from: at, role: undefined, refused: false, to: Infinity };
      open.set(pid, session);
      all.push(session);
    }
    const session = open.get(pid);
    if (session === undefined) continue;
    session.role ??= /^connection authorized: user=(\S+)/.exec(words)?.[1];
    if (FULL.test(words)) session.refused = true;
    if (words.startsWith('disconnection:') || session.refused) session.to = at;
  }
  const own = all.filter((each) => each.role === role);
  const there = own.filter(({ refused }) => !refused);
  const steps = there.flatMap(({ from, to }) => [[from, 1], [to, -1]] as const).sort((a, b) => a[0] - b[0]);
  let [now, most] = [0, 0];
  for (const [, step] of steps) most = Math.max(most, now += step);
  return { count: there.length, most, refused: own.length - there.length };
}
