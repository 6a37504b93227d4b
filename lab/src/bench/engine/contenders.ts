// Who takes part, in the order of the tables, and what each of them leaves out. Nothing here loads a pool: a worker loads the one that it
// measures.
import { versionOf } from '../machine.ts';
import type { Open } from './subject.ts';

export type SectionId = 'uncontended' | 'contended' | 'drain' | 'timeouts' | 'aborts' | 'validation' | 'heap' | 'sharing';

export interface Contender {
  readonly id: string;
  readonly name: string;
  /** The package, whose version is shown. '' for what is written here. */
  readonly from: string;
  readonly configuration: string;
  /** What it does not do, in every section. */
  readonly lacks: string;
  readonly ours: boolean;
  readonly sections: readonly SectionId[];
  load(): Promise<Open>;
}

const LENT: readonly SectionId[] = ['uncontended', 'contended', 'drain'];
const TIMED: readonly SectionId[] = [...LENT, 'timeouts', 'heap'];
const PRODUCTION = 'acquire timeout 30 s, idle timeout on';

const ours = { from: 'millpond', lacks: '', ours: true } as const;
const peer = { configuration: PRODUCTION, ours: false } as const;

export const FLOOR = 'await';
export const SMALLEST = 'smallest';
export const MILLPOND = 'millpond';

export const CONTENDERS: readonly Contender[] = [
  {
    id: FLOOR, name: 'await of a resolved promise', from: '', configuration: 'the floor', lacks: 'everything: it is no pool', ours: false,
    sections: ['uncontended', 'contended'], load: async () => (await import('./contenders/floor.ts')).open,
  },
  {
    id: SMALLEST, name: 'the smallest correct pool', from: '', configuration: 'a stack, a queue, max',
    lacks: 'timeouts, aborts, ageing, validation, leases, stats, close', ours: false, sections: [...LENT, 'heap'],
    load: async () => (await import('./contenders/smallest.ts')).open,
  },
  {
    ...ours, id: MILLPOND, name: 'millpond', configuration: 'defaults, acquire timeout 30 s',
    sections: [...TIMED, 'aborts', 'validation', 'sharing'], load: async () => (await import('./contenders/millpond.ts')).open,
  },
  {
    ...ours, id: 'millpond-everything', name: 'millpond, everything on',
    configuration: 'two lanes, shedding, breaker, leak threshold with sampled stacks, keepalive, maxUses, every hook',
    sections: ['uncontended', 'contended', 'validation'], load: async () => (await import('./contenders/millpond.ts')).openEverything,
  },
  {
    ...ours, id: 'millpond-use', name: 'millpond, use()', configuration: 'acquire, run, release in one call',
    sections: ['uncontended', 'contended'], load: async () => (await import('./contenders/millpond.ts')).openUse,
  },
  {
    ...ours, id: 'millpond-try', name: 'millpond, tryAcquire()', configuration: 'a lease at once or none', lacks: 'waiting, by design',
    sections: ['uncontended'], load: async () => (await import('./contenders/millpond.ts')).openTry,
  },
  {
    ...peer, id: 'generic-pool', name: 'generic-pool', from: 'generic-pool', configuration: `${PRODUCTION}, eviction every 10 s`,
    lacks: 'leases, max lifetime, aborts', sections: [...TIMED, 'validation'],
    load: async () => (await import('./contenders/generic-pool.ts')).open,
  },
  {
    ...peer, id: 'tarn', name: 'tarn', from: 'tarn', lacks: 'leases, max lifetime, signals (has an abort of its own)',
    sections: [...TIMED, 'aborts', 'validation'], load: async () => (await import('./contenders/tarn.ts')).open,
  },
  {
    ...peer, id: 'lightning-pool', name: 'lightning-pool', from: 'lightning-pool', configuration: `${PRODUCTION}, maxQueue raised`,
    lacks: 'leases, max lifetime, aborts', sections: [...TIMED, 'validation'],
    load: async () => (await import('./contenders/lightning-pool.ts')).open,
  },
  {
    ...peer, id: 'sequelize-pool', name: 'sequelize-pool', from: 'sequelize-pool', configuration: `${PRODUCTION}, validate is always on`,
    lacks: 'leases, max lifetime, aborts', sections: [...TIMED, 'validation'],
    load: async () => (await import('./contenders/sequelize-pool.ts')).open,
  },
  {
    ...peer, id: 'pg-pool', name: 'pg-pool', from: 'pg-pool', configuration: `${PRODUCTION}, a client that does no I/O`,
    lacks: 'validation, aborts, max lifetime (off by default)', sections: TIMED,
    load: async () => (await import('./contenders/pg-pool.ts')).open,
  },
  {
    ...peer, id: 'mysql2', name: 'mysql2 (its pool)', from: 'mysql2',
    configuration: 'the documented options, connections over a dead stream',
    lacks: 'acquire timeout, validation, aborts, max lifetime', sections: LENT,
    load: async () => (await import('./contenders/mysql2.ts')).open,
  },
  {
    ...peer, id: 'node-redis', name: 'node-redis (its pool)', from: '@redis/client',
    configuration: `${PRODUCTION}, clients that do no I/O, execute()`, lacks: 'validation, aborts of waiting, max lifetime',
    sections: [...LENT, 'timeouts'], load: async () => (await import('./contenders/node-redis.ts')).open,
  },
  {
    ...peer, id: 'effect', name: 'Effect Pool', from: 'effect', configuration: `${PRODUCTION}, one runPromise per loan`,
    lacks: 'validation', sections: [...LENT, 'timeouts', 'aborts', 'sharing'],
    load: async () => (await import('./contenders/effect.ts')).open,
  },
];

const BOTH: readonly SectionId[] = ['uncontended', 'contended'];

/** For the chapter about the drop-ins: each with what it takes the place of. */
export const DROP_INS: readonly Contender[] = ['pg-pool', 'tarn', 'generic-pool', 'sequelize-pool'].flatMap((name) => {
  const original = CONTENDERS.filter(({ id }) => id === name);
  return [...original, ...original.map((peerOfIts): Contender => ({
    ...peerOfIts, id: `millpond-${name}`, name: `@millpond/${name}`, from: `@millpond/${name}`, ours: true, sections: BOTH,
    load: async () => {
      const { genericPool, pgPool, sequelizePool, tarn } = await import('./contenders/drop-ins.ts');
      return { 'pg-pool': pgPool, tarn, 'generic-pool': genericPool, 'sequelize-pool': sequelizePool }[name]!;
    },
  }))];
});

export function contendersOf(section: SectionId, only: readonly string[]): Contender[] {
  return CONTENDERS.filter(({ id, sections }) => sections.includes(section) && (only.length === 0 || only.includes(id)));
}

/** 'tarn 3.1.2: acquire timeout 30 s, idle timeout on' */
export function aboutOf({ from, configuration }: Contender): string {
  return from === '' ? configuration : `${from} ${versionOf(from)}: ${configuration}`;
}
