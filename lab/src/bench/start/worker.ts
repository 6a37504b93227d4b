// A fresh process that imports one package and makes the first lease: `worker.js <starter>`. Prints what it took and ends. What Node itself
// needs to start is not in it.
import { memoryUsage } from 'node:process';

/** As printed. */
export interface StartMeasured {
  readonly importCpuMs: number;
  readonly importWallMs: number;
  readonly heapKb: number;
  /** From before the import to the end of the first lease; NaN, written as null, where that needs a server. */
  readonly firstLeaseMs: number | null;
}

const [id] = process.argv.slice(2);
const { STARTERS } = await import('./contenders.ts');
const { CONTENDERS } = await import('../engine/contenders.ts');
const { Source, USUAL } = await import('../engine/subject.ts');
const starter = STARTERS.find((one) => one.id === id);
if (starter === undefined) throw new Error(`nothing to start is called "${id}"`);

globalThis.gc?.();
const heap = memoryUsage().heapUsed;
const cpu = process.cpuUsage();
const begun = performance.now();
for (const name of starter.imports) await import(name);
const importWallMs = performance.now() - begun;
const { user, system } = process.cpuUsage(cpu);
const firstLeaseMs = await firstLease();
globalThis.gc?.();
const heapKb = (memoryUsage().heapUsed - heap) / 1000;
const measured: StartMeasured = { importCpuMs: (user + system) / 1000, importWallMs, heapKb, firstLeaseMs };
process.stdout.write(JSON.stringify(measured), () => { process.exit(); });

async function firstLease(): Promise<number | null> {
  const contender = CONTENDERS.find((one) => one.id === starter?.engine);
  if (contender === undefined) return null;
  const open = await contender.load();
  const subject = await open(USUAL, new Source());
  if (subject.kind === 'lends') subject.release(await subject.acquire());
  else if (subject.kind === 'runs') await subject.use(() => undefined);
  return performance.now() - begun;
}
