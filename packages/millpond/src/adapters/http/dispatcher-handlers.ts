// Handlers of requests have two sets of names in undici. Inside there is one, that of {@link Handler}; here it meets the other, which gives
// headers as an object and lets the handler pause by means of a controller.

import type { Socket } from 'node:net';
import type { Handler, RawHeaders } from './driver.ts';

export interface Controller {
  readonly aborted: boolean;
  readonly paused: boolean;
  readonly reason: unknown;
  rawHeaders?: RawHeaders | null;
  rawTrailers?: RawHeaders | null;
  abort(reason: unknown): void;
  pause(): void;
  resume(): void;
}

export type Headers = Record<string, string | string[]>;

/** The handler under the names of undici 7 and 8. */
export interface ResponseHandler {
  onRequestStart(controller: Controller, context: unknown): void;
  onResponseStarted?(): void;
  onRequestUpgrade?(controller: Controller, statusCode: number, headers: Headers, socket: Socket): void;
  onResponseStart?(controller: Controller, statusCode: number, headers: Headers, statusText?: string): void;
  onResponseData?(controller: Controller, chunk: Buffer): void;
  onResponseEnd?(controller: Controller, trailers: Headers): void;
  onResponseError?(controller: Controller, error: unknown): void;
  onBodySent?(chunk: Uint8Array): void;
  onRequestSent?(): void;
}

export function isResponseHandler(handler: Handler | ResponseHandler): handler is ResponseHandler {
  return typeof (handler as Partial<ResponseHandler>).onRequestStart === 'function';
}

class OwnController implements Controller {
  aborted = false;
  paused = false;
  reason: unknown = null;
  rawHeaders: RawHeaders | null = null;
  rawTrailers: RawHeaders | null = null;
  /** Set with the headers of the answer: how to go on. */
  goOn: (() => void) | undefined = undefined;
  readonly #abort: (reason: unknown) => void;

  constructor(abort: (reason: unknown) => void) {
    this.#abort = abort;
  }

  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.#abort(reason);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.goOn?.();
  }
}

/** Makes a handler of undici 7 or 8 one of ours. */
export function fromResponseHandler(handler: ResponseHandler): Handler {
  let controller = new OwnController(() => undefined);
  return {
    onConnect(abort, context) {
      controller = new OwnController(abort);
      handler.onRequestStart(controller, context ?? {});
    },
    onResponseStarted: () => handler.onResponseStarted?.(),
    onHeaders(statusCode, headers, resume, statusText) {
      controller.goOn = resume;
      controller.rawHeaders = headers;
      handler.onResponseStart?.(controller, statusCode, headersOf(headers), statusText);
      return !controller.paused;
    },
    onUpgrade(statusCode, headers, socket) {
      controller.rawHeaders = headers;
      handler.onRequestUpgrade?.(controller, statusCode, headersOf(headers), socket);
    },
    onData(chunk) {
      handler.onResponseData?.(controller, chunk);
      return !controller.paused;
    },
    onComplete(trailers) {
      controller.rawTrailers = trailers;
      handler.onResponseEnd?.(controller, headersOf(trailers));
    },
    onError(error) {
      if (typeof handler.onResponseError !== 'function') throw error;
      handler.onResponseError(controller, error);
    },
    onBodySent: (chunk) => handler.onBodySent?.(chunk),
    onRequestSent: () => handler.onRequestSent?.(),
  };
}

/** Makes a handler of ours one for a Client of undici 8. */
export function toResponseHandler(handler: Handler): ResponseHandler {
  return {
    onRequestStart: (controller, context) => handler.onConnect((reason) => controller.abort(reason), context),
    onResponseStarted: () => handler.onResponseStarted?.(),
    onResponseStart(controller, statusCode, headers, statusText = '') {
      const raw = controller.rawHeaders ?? rawOf(headers);
      if (handler.onHeaders(statusCode, raw, () => controller.resume(), statusText) === false) controller.pause();
    },
    onRequestUpgrade: (controller, statusCode, headers, socket) =>
      handler.onUpgrade?.(statusCode, controller.rawHeaders ?? rawOf(headers), socket),
    onResponseData(controller, chunk) {
      if (handler.onData(chunk) === false) controller.pause();
    },
    onResponseEnd: (controller, trailers) => handler.onComplete(controller?.rawTrailers ?? rawOf(trailers)),
    onResponseError: (_controller, error) => handler.onError(error),
    onBodySent: (chunk) => handler.onBodySent?.(chunk),
    onRequestSent: () => handler.onRequestSent?.(),
  };
}

/** Names in lower case; a name that comes several times has an array. */
function headersOf(raw: RawHeaders): Headers {
  const headers: Headers = {};
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = textOf(raw[i]!).toLowerCase();
    const value = raw[i + 1]!;
    const isOne = typeof value === 'string' || Buffer.isBuffer(value);
    const values = isOne ? [textOf(value)] : (value as readonly (Buffer | string)[]).map(textOf);
    const before = Object.hasOwn(headers, name) ? headers[name] : undefined;
    if (before === undefined && values.length === 1 && name !== '__proto__') headers[name] = values[0]!;
    else define(headers, name, before === undefined ? values : [before, values].flat());
  }
  return headers;
}

/** A header may be called __proto__. */
function define(headers: Headers, name: string, values: string[]): void {
  const value = values.length === 1 ? values[0]! : values;
  Object.defineProperty(headers, name, { value, enumerable: true, configurable: true, writable: true });
}

function rawOf(headers: Headers | null | undefined): RawHeaders {
  return Object.entries(headers ?? {}).flatMap(([name, value]) => [Buffer.from(name, 'latin1'), typeof value === 'string'
    ? Buffer.from(value, 'latin1') : value.map((each) => Buffer.from(each, 'latin1'))]);
}

function textOf(value: RawHeaders[number]): string {
  return Buffer.isBuffer(value) ? value.toString('latin1') : String(value);
}
