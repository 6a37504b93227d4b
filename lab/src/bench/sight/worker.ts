// One way of looking, in a process of its own: `worker.js <watcher> <quick|full>`.
import { Pool, type Lease } from 'millpond';
import { alone, crowd } from '../engine/loops.ts';
import { FULL_PACE, QUICK_PACE, Slice } from '../engine/slices.ts';
import { lender, Source, USUAL, type Thing } from '../engine/subject.ts';
import { serve } from '../harness/station.ts';
import { WATCHERS } from './watchers.ts';

/** Undefined where nobody collects. */
export interface SightMeasured {
  readonly aloneNs: number;
  readonly crowdNs: number;
  /** One scrape or collection, of one pool and of a hundred more. */
  readonly collectUs: number | undefined;
  readonly collectManyUs: number | undefined;
}

const WORKERS = 64;
const MANY = 100;
const COLLECTIONS = 20;
const WARM_COLLECTIONS = 500;

const [id, pace] = process.argv.slice(2);
const watcher = WATCHERS.find((one) => one.id === id);
if (watcher === undefined) throw new Error(`nobody looks that is called "${id}"`);

const source = new Source();
const factory = { create: (): Thing => source.make(), destroy: () => source.unmake() };
const pool = new Pool<Thing>({ name: 'bench', max: USUAL.max, acquireTimeoutMs: USUAL.acquireTimeoutMs, factory });
const collect = watcher.watch(pool);
const subject = lender<Lease<Thing>>({
  acquire: () => pool.acquire(),
  release: (lease) => { lease.release(); },
  thingOf: ({ resource }) => resource,
  close: async () => { await pool.close(); },
});
const slices = [
  new Slice((times) => alone(subject, times)),
  new Slice((times) => crowd(subject, WORKERS, times), WORKERS),
] as const;

async function collectionUs(): Promise<number | undefined> {
  if (collect === undefined) return undefined;
  const begun = process.cpuUsage();
  for (let count = 0; count < COLLECTIONS; count += 1) await collect();
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / COLLECTIONS;
}

const steps = {
  warmUp: async (): Promise<void> => {
    for (const slice of slices) await slice.warmUp(pace === 'quick' ? QUICK_PACE : FULL_PACE);
    for (let count = 0; count < WARM_COLLECTIONS; count += 1) await collect?.();
  },
  measure: async (): Promise<SightMeasured> => {
    const [aloneCost, crowdCost] = [await slices[0].measure(), await slices[1].measure()];
    const collectUs = await collectionUs();
    // Pools that nobody uses: what they cost is the collection.
    const others = Array.from({ length: MANY }, (_, index) => new Pool({ name: `other-${index}`, factory }));
    const collectManyUs = await collectionUs();
    await Promise.all(others.map((other) => other.close()));
    await collect?.();
    return { aloneNs: aloneCost.cpuNs, crowdNs: crowdCost.cpuNs, collectUs, collectManyUs };
  },
};

serve(({ step }: { readonly step: keyof typeof steps }) => steps[step]());
