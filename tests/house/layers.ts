// Who may know whom inside packages/millpond/src. The same rules stand, as expressions over specifiers, in .oxlintrc.json; here imports are
// resolved to files first, so that no spelling gets around them.

export type Layer =
  | 'face' | 'engine' | 'runtime' | 'telemetry' | 'testing' | 'fleet' | 'sight' | 'console' | `adapters/${string}` | 'adapters';

/** Files of the face that stand on top of the runtime. The others are its words (types, options, errors), which everybody may know. */
const ON_TOP = new Set(['index.ts', 'pool.ts', 'keyed.ts']);

/** What the engine may not name: time, chance, promises, the process. All of it comes in through its ports. */
export const ENGINE_FORBIDDEN: readonly string[] = [
  'Date', 'performance', 'setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate', 'queueMicrotask',
  'Promise', 'async', 'await', 'AbortController', 'AbortSignal', 'process', 'globalThis', 'global', 'crypto', 'fetch',
];

/** The layer of a file, given by its path below src. */
export function layerOf(path: string): Layer {
  const [folder, second, third] = path.split('/');
  if (second === undefined) return 'face';
  switch (folder) {
    case 'engine': case 'runtime': case 'telemetry': case 'testing': case 'fleet': case 'sight': case 'console': return folder;
    // A file that stands directly in adapters/, or in adapters/common/, belongs to no single adapter.
    case 'adapters': return third === undefined || second === 'common' ? 'adapters' : `adapters/${second}`;
    default: throw new Error(`src/${String(folder)} is no layer: say in tests/house/layers.ts what it may know`);
  }
}

/** Whether `from` may import `to`: both paths below src. */
export function mayImport(from: string, to: string): boolean {
  const [knower, known] = [layerOf(from), layerOf(to)];
  const words = known === 'face' && !ON_TOP.has(to);
  if (knower === 'face' && !ON_TOP.has(from)) return known === 'engine' || words;
  if (knower === known) return true;
  switch (knower) {
    case 'engine': return false;
    case 'face': return known === 'engine' || known === 'runtime' || known === 'telemetry';
    case 'runtime': return known === 'engine' || known === 'telemetry' || words;
    case 'telemetry': return words;
    case 'testing': return known === 'face' || known === 'engine' || known === 'fleet';
    case 'fleet': return known === 'face';
    case 'sight': return known === 'face' || known === 'engine' || known === 'telemetry';
    case 'console': return known === 'face' || known === 'sight';
    default: return known === 'face' || known === 'adapters';
  }
}
