// Who may look. A page that shows who holds which connection is a find for whoever scans a network, so by default only this machine may
// look and nobody may change anything. What pretends to be this machine is turned away: another name in the Host header is a page of
// somebody else's whose name was pointed here (DNS rebinding), a forwarded request comes from wherever a proxy lets in.

import { timingSafeEqual } from 'node:crypto';

/** A request, as far as it decides who may look. */
export interface Asker {
  readonly method: string;
  /** Undefined when it is not known, as behind a web framework's Request. */
  readonly remoteAddress: string | undefined;
  header(name: string): string | undefined;
  readonly query: URLSearchParams;
}

export type Auth = string | ((request: Asker) => boolean | Promise<boolean>);

export type Verdict =
  | { readonly may: true; /** The token came by the address: the page is to come without it,
    and a cookie to remember it. */ readonly remember?: string }
  | { readonly may: false; readonly status: 401 | 403; readonly why: string };

const COOKIE = 'millpond_console';
const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3})$/;
const LOCAL_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i;

export async function judge(asker: Asker, auth: Auth | undefined): Promise<Verdict> {
  if (auth === undefined) return judgeLocal(asker);
  if (typeof auth === 'function') {
    return await auth(asker) ? { may: true } : { may: false, status: 403, why: 'auth said no.' };
  }
  const given = asker.query.get('token');
  if (given !== null) return equal(given, auth) ? { may: true, remember: cookieFor(auth) } : refused();
  const bearer = /^Bearer (.+)$/i.exec(asker.header('authorization') ?? '')?.[1];
  const remembered = cookieOf(asker.header('cookie') ?? '');
  return equal(bearer ?? remembered ?? '', auth) ? { may: true } : refused();
}

function refused(): Verdict {
  return { may: false, status: 401, why: 'The console asks for its token: ?token=... in the address, or Authorization: Bearer ...' };
}

function judgeLocal({ remoteAddress, header }: Asker): Verdict {
  const no = (why: string): Verdict => ({ may: false, status: 403, why: `${why} Give the console an auth (a token or a function).` });
  if (remoteAddress === undefined) return no('Nobody knows where this request comes from.');
  // A Unix socket has no address.
  if (remoteAddress !== '' && !LOOPBACK.test(remoteAddress)) return no('Without auth only this machine may look.');
  if (!LOCAL_HOST.test(header('host') ?? '')) return no('Without auth the console answers as localhost only.');
  if (isElsewhere(header)) return no('Without auth no other site may look.');
  for (const name of ['forwarded', 'x-forwarded-for', 'x-real-ip']) {
    if (header(name) !== undefined) return no('Without auth no proxy may stand in front.');
  }
  return { may: true };
}

/** A request that changes something: by the page itself, which can set a header that no other page can. */
export function isFromPage({ header }: Asker): boolean {
  return header('x-millpond-console') !== undefined && !isElsewhere(header);
}

/** Another page asks, and would be told where the app around the console lets every page in (CORS). */
function isElsewhere(header: Asker['header']): boolean {
  const origin = header('origin');
  if (origin === undefined) return false;
  const host = hostOf(origin);
  return host === undefined || host !== header('host');
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}

function cookieFor(token: string): string {
  return `${COOKIE}=${encodeURIComponent(token)}; HttpOnly; SameSite=Strict`;
}

function cookieOf(cookies: string): string | undefined {
  const value = cookies.split(';').map((each) => each.trim()).find((each) => each.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1);
  try {
    return value === undefined ? undefined : decodeURIComponent(value);
  } catch {
    return undefined;
  }
}

/** Without telling by its time how much of it is right. */
function equal(given: string, token: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}
