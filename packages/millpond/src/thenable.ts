export function isThenable<R>(value: Promise<R> | R): value is Promise<R> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function';
}
