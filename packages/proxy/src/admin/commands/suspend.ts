// SUSPEND: nothing is read from anybody any more, and everything that was read has been passed on. Until RESUME, or until whoever asked for
// it goes, since nobody else could know that it was still wanted.

import type { Proxy } from '../../proxy.ts';

import { CommandError, type Answer } from '../table.ts';
import { CANCELLED, resumeAll, until, type Context } from './control.ts';

/** What a proxy is held by; new connections wait for its end. */
export class Suspension {
  readonly #proxy: Proxy;
  #over: (() => void) | undefined = undefined;
  #ended: Promise<void> | undefined = undefined;

  constructor(proxy: Proxy) {
    this.#proxy = proxy;
  }

  /** Resolves when there is none. */
  get ended(): Promise<void> | undefined {
    return this.#ended;
  }

  begin(): void {
    this.#ended = new Promise((resolve) => { this.#over = resolve; });
    this.hold();
  }

  /** Again and again while buffers run empty: whoever could be written to would be read from again. */
  hold(): void {
    for (const { session, stream } of this.#proxy.clients.values()) if (session !== undefined) stream.pause();
    for (const { servers } of this.#proxy.router.pools.values()) for (const { socket } of servers) socket.pause();
  }

  /** Connections with something that could not be written. */
  unflushed(): { destroy(): unknown }[] {
    const { clients, router } = this.#proxy;
    return [
      ...[...clients.values()].filter(({ session }) => session !== undefined).map(({ stream }) => stream),
      ...[...router.pools.values()].flatMap(({ servers }) => [...servers].map(({ socket }) => socket)),
    ].filter(({ writableLength }) => writableLength > 0);
  }

  end(): void {
    if (this.#ended === undefined) return;
    this.#over?.();
    this.#ended = undefined;
    for (const { session, stream } of this.#proxy.clients.values()) {
      // One that waits for a server connection goes on when it gets one.
      if (session !== undefined && session.state !== 'waiting') stream.resume();
    }
    for (const { servers } of this.#proxy.router.pools.values()) for (const { socket } of servers) socket.resume();
  }
}

export async function suspend({ proxy, signal }: Context): Promise<Answer> {
  const { router, suspension } = proxy;
  if (router.mode !== 'active') throw new CommandError('already suspended/paused');
  if ([...router.databases.values()].some(({ paused }) => paused)) throw new CommandError('cannot suspend with paused databases');
  router.mode = 'suspended';
  router.applyPauses();
  suspension.begin();
  const endsAt = performance.now() + proxy.config.values.suspend_timeout;
  const flushed = until(signal, () => {
    if (router.mode !== 'suspended') return true;
    suspension.hold();
    const left = suspension.unflushed();
    if (left.length > 0 && performance.now() > endsAt) for (const socket of left) socket.destroy();
    return left.length === 0;
  });
  await flushed.catch((error: unknown) => {
    if (signal.reason === CANCELLED) resumeAll(proxy);
    throw error;
  });
  if (router.mode !== 'suspended') throw new CommandError('SUSPEND was ended by RESUME');
  return { tag: 'SUSPEND' };
}
