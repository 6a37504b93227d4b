// A span for each acquire that was slow or failed, with the span of whoever acquired as its parent. A waiter is served in the middle of
// somebody else's release, so the event `acquire` comes in that one's context; the tracing channel ends in the caller's own.

import { acquiring } from '../../telemetry/tracing.ts';
import { POOL_NAME } from './instruments.ts';
import type { OtelAttributes, OtelTracer } from './types.ts';

/** OpenTelemetry's SpanStatusCode.ERROR. */
const ERROR = 2;
const BEGUN = Symbol('begun');

interface Acquiring {
  readonly pool: string;
  readonly label?: string;
  readonly lane?: string;
  readonly error?: unknown;
  [BEGUN]?: number;
}

const nothing = (): void => undefined;

/** Returns how to stop. */
export function exportSpans(tracer: OtelTracer, slowerThanMs: number): () => void {
  const subscriber = {
    start: (message: object) => {
      (message as Acquiring)[BEGUN] = performance.now();
    },
    asyncEnd: (message: object) => {
      const { pool, label, lane, error, [BEGUN]: begun } = message as Acquiring;
      const now = performance.now();
      if (begun === undefined || now - begun < slowerThanMs) return;
      const attributes: OtelAttributes = { [POOL_NAME]: pool };
      if (label !== undefined) attributes['millpond.label'] = label;
      if (lane !== undefined) attributes['millpond.lane'] = lane;
      if (error !== undefined) attributes['error.type'] = typeOf(error);
      const span = tracer.startSpan('millpond.acquire', { startTime: begun, attributes });
      if (error !== undefined) span.setStatus({ code: ERROR, message: error instanceof Error ? error.message : typeOf(error) });
      span.end(now);
    },
    end: nothing, asyncStart: nothing, error: nothing,
  };
  acquiring.subscribe(subscriber);
  return () => {
    acquiring.unsubscribe(subscriber);
  };
}

function typeOf(error: unknown): string {
  // The reason of an abort is the caller's own, and may be anything.
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
  return typeof code === 'string' ? code : typeof name === 'string' ? name : '_OTHER';
}
