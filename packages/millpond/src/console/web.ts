// The console behind whatever speaks `Request` and `Response`.

import type { Asker, Auth } from './access.ts';
import { readAction } from './actions.ts';
import type { Desk } from './desk.ts';
import type { Outlet } from './viewers.ts';

/** A viewer who has not taken so many messages is sent away. */
const MOST_QUEUED = 8;

export async function answerWeb(desk: Desk, auth: Auth | undefined, request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const asker: Asker = {
    method: request.method, remoteAddress: undefined, query: searchParams,
    header: (name) => request.headers.get(name) ?? undefined,
  };
  const { status, headers, body, stream } = await desk.answer(asker, pathname, auth, () => readAction(request.body ?? undefined));
  if (stream === undefined) return new Response(request.method === 'HEAD' || status === 302 ? null : body, { status, headers });
  let outlet: Outlet;
  const source = new ReadableStream<Uint8Array>({
    start: (controller) => {
      const encoder = new TextEncoder();
      outlet = {
        send: (text) => {
          controller.enqueue(encoder.encode(text));
          return (controller.desiredSize ?? 0) > 0;
        },
        end: () => controller.error(new Error('too slow, or the console was closed')),
      };
      if (!desk.viewers.add(outlet, stream)) {
        controller.enqueue(encoder.encode('event: full\ndata: "too many viewers"\n\n'));
        controller.close();
      }
    },
    cancel: () => desk.viewers.remove(outlet),
  }, { highWaterMark: MOST_QUEUED });
  return new Response(source, { status, headers });
}
