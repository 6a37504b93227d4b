// Every pool of this process, so that whoever looks in from outside (a console, an exporter) finds them without being handed each. Kept
// weakly: a pool that was dropped without a close goes as it would have gone. By a symbol of the process, because two copies of this
// package may be loaded.

const REGISTRY = Symbol.for('millpond.pools');

const registry = ((globalThis as { [REGISTRY]?: Set<WeakRef<object>> })[REGISTRY] ??= new Set());
const dropped = new FinalizationRegistry((ref: WeakRef<object>) => registry.delete(ref));

export function enroll(pool: object): void {
  const ref = new WeakRef(pool);
  registry.add(ref);
  dropped.register(pool, ref);
}

export function enrolled(): object[] {
  return [...registry].map((ref) => ref.deref()).filter((pool) => pool !== undefined);
}
