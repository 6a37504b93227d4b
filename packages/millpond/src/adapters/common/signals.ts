// One listener per signal, however many statements wait for it: Node warns of a leak from the eleventh on, and a request with one signal
// for its thirty statements is none.

const watched = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `leave` when the signal aborts; returns how to stop that. A signal that has aborted already calls nobody. */
export function onAbort(signal: AbortSignal, leave: () => void): () => void {
  let all = watched.get(signal);
  if (all === undefined) {
    all = new Set();
    watched.set(signal, all);
  }
  const waiting = all;
  if (waiting.size === 0) signal.addEventListener('abort', leaveAll);
  waiting.add(leave);
  return () => {
    if (waiting.delete(leave) && waiting.size === 0) signal.removeEventListener('abort', leaveAll);
  };
}

function leaveAll(this: AbortSignal): void {
  const waiting = watched.get(this);
  if (waiting === undefined) return;
  const all = [...waiting];
  waiting.clear();
  for (const leave of all) leave();
}

/** What `value` resolves to, or `signal.reason` if that comes first. */
export function orAborted<R>(value: R | Promise<R>, signal: AbortSignal): R | Promise<R> {
  if (!(value instanceof Promise)) return value;
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason);
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
    // Also when nobody waits for it any more: a rejection that nobody hears would end the process.
    value.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
