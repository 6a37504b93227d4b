// Functions of the caller's that are told something, and whose result nobody waits for. They are called in the middle of a driver's work
// with what arrived: what they throw would end the process, or leave the driver halfway through a packet.

/** Calls `hook`. What it throws, or rejects with, becomes a warning. */
export function tell<A>(hook: ((argument: A) => unknown) | undefined, argument: A, name: string, pool: string): void {
  if (hook === undefined) return;
  const failed = (error: unknown): void => {
    const why = error instanceof Error ? error.message : String(error);
    process.emitWarning(`${name} of pool "${pool}" failed: ${why}`, { code: 'MILLPOND_LISTENER_THREW' });
  };
  try {
    Promise.resolve(hook(argument)).catch(failed);
  } catch (error) {
    failed(error);
  }
}
