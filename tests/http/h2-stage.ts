// Servers of HTTP/2 for tests, and pools on them.

import http2, {
  type Http2Server, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream, type Settings,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Certificate } from '@millpond/lab/certificate';
import { createH2Pool, type H2Pool, type H2PoolOptions } from 'millpond/http';
import { onTestFinished } from 'vitest';

export interface H2Stage {
  readonly authority: string;
  readonly port: number;
  readonly server: Http2Server;
  /** Every session there ever was. */
  readonly sessions: ServerHttp2Session[];
  /** Streams that are open now. */
  readonly open: number;
  /** The most that were open at once on one session. */
  readonly mostOnOne: number;
  /** Paths, in the order in which they came. */
  readonly seen: string[];
}

export interface H2StageOptions {
  readonly settings?: Settings;
  readonly tls?: Certificate;
}

type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, session: ServerHttp2Session) => void;

/** Ends with the test. */
export async function serveH2(onStream: OnStream, { settings = {}, tls }: H2StageOptions = {}): Promise<H2Stage> {
  const server: Http2Server = tls === undefined ? http2.createServer({ settings }) : http2.createSecureServer({ ...tls, settings });
  const sessions: ServerHttp2Session[] = [];
  const seen: string[] = [];
  let open = 0;
  let mostOnOne = 0;
  const onOne = new Map<unknown, number>();
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => undefined);
  });
  server.on('stream', (stream, headers) => {
    const session = stream.session as ServerHttp2Session;
    seen.push(String(headers[':path']));
    open++;
    const here = (onOne.get(session) ?? 0) + 1;
    onOne.set(session, here);
    mostOnOne = Math.max(mostOnOne, here);
    stream.on('error', () => undefined);
    stream.on('close', () => {
      open--;
      onOne.set(session, onOne.get(session)! - 1);
    });
    onStream(stream, headers, session);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    server, sessions, seen, port,
    authority: tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`,
    get open() { return open; },
    get mostOnOne() { return mostOnOne; },
  };
}

/** Ends with the test. */
export function h2PoolOf(options: H2PoolOptions): H2Pool {
  const pool = createH2Pool(options);
  onTestFinished(async () => { await pool.close({ deadlineMs: 0 }); });
  return pool;
}

/** Answers with the path and what was sent, and a trailer. */
export function reply(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  stream.respond({ ':status': 200 }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }));
  let body = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => { body += chunk; });
  stream.on('end', () => stream.end(`${headers[':path']} ${body}`));
}
