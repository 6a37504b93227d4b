// One call: a request with its whole body, an answer that is read to its end. What the peer refused unseen is sent again.

import { constants, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2';
import type { AcquireOptions } from '../../index.ts';
import { Watch } from '../common/watch.ts';
import { cancel, sessionOf } from './h2-session.ts';
import { CallTimeoutError, isUntouched, ResponseTooLargeError, SessionLostError } from './h2-errors.ts';
import type { H2Answer, H2CallOptions, H2Headers, H2RequestOptions } from './h2-types.ts';

/** Of one call, each on another session or after the peer had room again. */
const MOST_RETRIES = 3;
const LARGEST = 16 * 1024 * 1024;

interface Streams {
  readonly name: string;
  request(headers: H2Headers, options: H2RequestOptions): Promise<ClientHttp2Stream>;
}

export class Call {
  readonly #pool: Streams;
  readonly #headers: H2Headers;
  readonly #body: string | Uint8Array | undefined;
  readonly #options: H2CallOptions;
  readonly #deadline: number;
  /** Something of an answer has come: whatever the peer says now, it has looked at the request. */
  #begun = false;

  constructor(pool: Streams, headers: H2Headers, body: string | Uint8Array | undefined, options: H2CallOptions) {
    this.#pool = pool;
    this.#headers = headers;
    this.#body = body;
    this.#options = options;
    this.#deadline = options.timeoutMs === undefined ? Infinity : performance.now() + options.timeoutMs;
  }

  async run(): Promise<H2Answer> {
    for (let retries = 0; ; retries++) {
      const stream = await this.#pool.request(this.#headers, { ...this.#acquireOptions(), endStream: this.#body === undefined });
      // A stream that has closed does not know it any more.
      const { session } = stream;
      this.#begun = false;
      try {
        return await this.#answer(stream);
      } catch (error) {
        const refused = session !== undefined && sessionOf(session).refused(stream);
        const untouched = !this.#begun && (refused || isUntouched(error, stream.rstCode));
        if (untouched && retries < MOST_RETRIES && this.#options.signal?.aborted !== true && performance.now() < this.#deadline) continue;
        throw this.#lastWord(error, session, untouched);
      }
    }
  }

  #acquireOptions(): AcquireOptions {
    const { maxResponseSize: _size, timeoutMs, ...acquire } = this.#options;
    return timeoutMs === undefined ? acquire : { ...acquire, timeoutMs: Math.max(0, this.#deadline - performance.now()) };
  }

  #answer(stream: ClientHttp2Stream): Promise<H2Answer> {
    const { maxResponseSize = LARGEST } = this.#options;
    return new Promise((resolve, reject) => {
      let headers: H2Answer['headers'] = {};
      let trailers: IncomingHttpHeaders = {};
      let size = 0;
      let ended = false;
      const chunks: Buffer[] = [];
      const fail = (error: unknown): void => {
        watch.end();
        reject(error);
      };
      const watch = new Watch({
        signal: undefined,
        remainingMs: this.#deadline === Infinity ? undefined : Math.max(1, this.#deadline - performance.now()),
        onTimeout: () => new CallTimeoutError(this.#pool.name, this.#options.timeoutMs!),
      }, (error) => cancel(stream, error));
      stream.on('headers', () => { this.#begun = true; });
      stream.on('response', (received) => {
        this.#begun = true;
        headers = received;
      });
      stream.on('trailers', (received: IncomingHttpHeaders) => { trailers = received; });
      stream.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxResponseSize) cancel(stream, new ResponseTooLargeError(this.#pool.name, maxResponseSize));
        else chunks.push(chunk);
      });
      stream.on('end', () => { ended = true; });
      stream.on('error', fail);
      stream.on('close', () => {
        watch.end();
        const status = headers[':status'];
        // Reset in the middle, a stream ends as well.
        const whole = ended && !stream.aborted && stream.rstCode === constants.NGHTTP2_NO_ERROR;
        if (whole && status !== undefined) resolve({ status, headers, body: Buffer.concat(chunks), trailers });
        else fail(new SessionLostError(this.#pool.name, `the stream was closed before its answer was complete, code ${stream.rstCode}`));
      });
      if (this.#body !== undefined) stream.end(this.#body);
    });
  }

  #lastWord(error: unknown, session: ClientHttp2Stream['session'], retryable: boolean): unknown {
    if (error instanceof CallTimeoutError || error instanceof ResponseTooLargeError) return error;
    const { signal } = this.#options;
    // Which need be no error, as that of a stream has to.
    if (signal?.aborted === true) return signal.reason;
    const lost = session === undefined || session.destroyed || session.closed;
    if (!retryable && !lost) return error;
    if (error instanceof SessionLostError && error.retryable === retryable) return error;
    const why = error instanceof Error ? error.message : String(error);
    return new SessionLostError(this.#pool.name, why, { retryable, cause: error });
  }
}
