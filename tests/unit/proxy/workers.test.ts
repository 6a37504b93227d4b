// What several workers share, by itself: who is granted how much, and how what they tell is put together.

import { seededRandom } from 'millpond/testing';
import { describe, expect, it } from 'vitest';
import { show } from '../../../packages/proxy/src/admin/table.ts';
import { sharingProblem } from '../../../packages/proxy/src/config/sharing.ts';
import { defaults } from '../../../packages/proxy/src/config/settings.ts';
import type { Family } from '../../../packages/proxy/src/http/exposition.ts';
import { Statistics } from '../../../packages/proxy/src/stats/statistics.ts';
import { Departed } from '../../../packages/proxy/src/workers/departed.ts';
import { Ledger, type Grant } from '../../../packages/proxy/src/workers/ledger.ts';
import { snapshotOf, statisticsOf } from '../../../packages/proxy/src/workers/records.ts';
import { Standing } from '../../../packages/proxy/src/workers/standing.ts';
import { sumFamilies, sumTables } from '../../../packages/proxy/src/workers/sums.ts';
import type { Question } from '../../../packages/proxy/src/workers/messages.ts';

const SEED = Number(process.env['MILLPOND_SEED'] ?? 20_261_127);

/** A worker with one pool: goes by the grants that have reached it, and by nothing else. */
class Pool {
  held = 0;
  demand = 0;
  limit = 0;
  seen = 0;
  /** On the way. */
  readonly grants: Grant[] = [];

  /** Opens what it may; what is too much is closed when it is not in use. */
  step(inUse: number): void {
    if (this.held < this.limit) this.held = Math.min(this.limit, Math.max(this.held, this.demand));
    if (this.held > this.limit) this.held = Math.max(this.limit, Math.min(this.held, inUse));
  }

  hear(): void {
    for (const { limit, number } of this.grants.splice(0)) Object.assign(this, { limit, seen: number });
  }
}

class Stage {
  readonly ledger = new Ledger();
  readonly pools: Pool[];
  readonly total: number;
  now = 0;

  constructor(workers: number, total: number) {
    this.pools = Array.from({ length: workers }, () => new Pool());
    this.total = total;
  }

  claim(worker: number): void {
    const { held, demand, seen } = this.pools[worker]!;
    this.ledger.claim(worker, { seat: 1, key: 'pool', total: this.total, held, demand, seen }, this.now);
    this.settle();
  }

  settle(): void {
    this.ledger.lookAgain();
    for (const [worker, grants] of this.ledger.settle(this.now)) this.pools[worker]!.grants.push(...grants);
  }

  get held(): number {
    return this.pools.reduce((sum, { held }) => sum + held, 0);
  }

  /** Everything that is on its way arrives, again and again; nothing is in use for long. */
  rest(): void {
    for (let n = 0; n < 30; n++) {
      this.now += 100;
      for (const [worker, pool] of this.pools.entries()) {
        pool.hear();
        pool.step(0);
        this.claim(worker);
      }
    }
  }
}

describe('the ledger', () => {
  it(`never lets workers hold more than the limit together, however late they hear of it (seed ${SEED})`, () => {
    for (let round = 0; round < 300; round++) {
      const random = seededRandom(`${SEED} ${round}`);
      const stage = new Stage(random.int(2, 4), random.int(1, 12));
      for (let n = 0; n < 200; n++) {
        stage.now += random.int(0, 50);
        const worker = random.int(0, stage.pools.length - 1);
        const pool = stage.pools[worker]!;
        if (random.chance(0.4)) pool.demand = random.int(0, stage.total);
        if (random.chance(0.4)) pool.hear();
        if (random.chance(0.5)) pool.step(random.int(0, pool.held));
        if (random.chance(0.4)) stage.claim(worker);
        if (random.chance(0.1)) stage.settle();
        expect(stage.held, `round ${round}, step ${n}`).toBeLessThanOrEqual(stage.total);
      }
      // Whoever wants something in the end gets it, as far as there is enough.
      for (const pool of stage.pools) pool.demand = Math.floor(stage.total / stage.pools.length);
      stage.rest();
      for (const pool of stage.pools) expect(pool.held, `round ${round}`).toBeGreaterThanOrEqual(pool.demand);
    }
  });

  it('gives all to one that is alone, and half when another wants as much', () => {
    const stage = new Stage(2, 10);
    stage.pools[0]!.demand = 10;
    stage.rest();
    expect(stage.pools.map(({ held }) => held)).toEqual([10, 0]);
    stage.pools[1]!.demand = 10;
    stage.rest();
    expect(stage.pools.map(({ held }) => held)).toEqual([5, 5]);
    stage.pools[0]!.demand = 2;
    stage.rest();
    expect(stage.pools.map(({ held }) => held)).toEqual([2, 8]);
  });

  it('moves nothing to and fro for demands that vary within the shares', () => {
    const stage = new Stage(2, 10);
    for (const pool of stage.pools) pool.demand = 8;
    stage.rest();
    const numbers = stage.pools.map(({ seen }) => seen);
    for (let n = 0; n < 40; n++) {
      stage.now += 20;
      const [a, b] = n % 2 === 0 ? [2, 8] : [8, 2];
      Object.assign(stage.pools[0]!, { demand: a });
      Object.assign(stage.pools[1]!, { demand: b });
      stage.claim(0);
      stage.claim(1);
      for (const pool of stage.pools) pool.hear();
    }
    expect(stage.pools.map(({ seen }) => seen)).toEqual(numbers);
  });

  it('lets workers take turns where there is less than one for each', () => {
    const stage = new Stage(3, 1);
    for (const pool of stage.pools) pool.demand = 1;
    const had = new Set<number>();
    for (let n = 0; n < 60; n++) {
      stage.now += 10;
      for (const [worker, pool] of stage.pools.entries()) {
        pool.hear();
        pool.step(0);
        if (pool.held > 0) had.add(worker);
        stage.claim(worker);
      }
    }
    expect(had).toEqual(new Set([0, 1, 2]));
  });

  it('gives back what a worker had that has gone', () => {
    const stage = new Stage(2, 3);
    stage.pools[0]!.demand = 3;
    stage.rest();
    stage.ledger.leave(0);
    stage.pools.shift();
    const [left] = stage.pools;
    left!.demand = 3;
    stage.ledger.claim(1, { seat: 1, key: 'pool', total: 3, held: 0, demand: 3, seen: 0 }, stage.now);
    expect(stage.ledger.settle(stage.now).get(1)).toEqual([{ seat: 1, limit: 3, number: 1 }]);
  });
});

describe('sums', () => {
  it('adds what is counted, and takes the longest wait', () => {
    const pools = (user: string, active: number, wait: number): ReturnType<typeof show> =>
      show('database user cl_active:int4 maxwait:int4 maxwait_us:int4', [['main', user, active, 0, wait]]);
    const { table } = sumTables('pools', [pools('b', 1, 7), pools('b', 2, 9), pools('a', 3, 1)]);
    expect(table!.rows).toEqual([['main', 'a', 3, 0, 1], ['main', 'b', 3, 0, 9]]);
  });

  it('puts clients one below the other', () => {
    const clients = (id: number): ReturnType<typeof show> => show('user id:int4', [['alice', id]]);
    expect(sumTables('clients', [clients(1), clients(2)]).table!.rows).toEqual([['alice', 1], ['alice', 2]]);
  });

  it('adds metrics, but for what is the same everywhere', () => {
    const families = (queries: number, up: number): Family[] => [
      { name: 'pgbouncer_up', help: '', type: 'gauge', samples: [{ labels: {}, value: 1 }] },
      { name: 'millpond_proxy_uptime_seconds', help: '', type: 'gauge', samples: [{ labels: {}, value: up }] },
      { name: 'pgbouncer_stats_queries_pooled_total', help: '', type: 'counter', samples: [{ labels: { database: 'a' }, value: queries }] },
    ];
    expect(sumFamilies([families(3, 10), families(4, 20)]).map(({ samples }) => samples[0]!.value)).toEqual([1, 20, 7]);
  });

  it('adds statistics and their averages, and keeps what a worker had counted that has gone', () => {
    const worker = (queries: number): Statistics => {
      const statistics = new Statistics(0);
      statistics.of('main', 'alice').counts.queries = queries;
      return statistics;
    };
    const [a, b] = [snapshotOf(worker(10), 9_000), snapshotOf(worker(30), 9_000)];
    const { totals, averages } = statisticsOf([a, b], 50_000).all(50_000);
    expect([totals.queries, averages.queries]).toEqual([40, 4]);
    const departed = new Departed();
    for (const _ of [1, 2]) {
      departed.remember(1, 'records', b);
      departed.leave(1);
    }
    const values = departed.results('records').map((result) => (result.ok ? result.value as typeof a : a));
    expect(values).toHaveLength(1);
    const after = statisticsOf([a, ...values], 50_000).all(50_000);
    expect([after.totals.queries, after.averages.queries]).toEqual([70, 1]);
  });
});

describe('what stands', () => {
  const command = (name: string, argument?: string): Question => ({ kind: 'command', name, argument });
  const words = (standing: Standing): string[] => standing.questions().map((question) => {
    if (question.kind === 'set') return `set ${question.key}`;
    return question.kind === 'command' ? [question.name, question.argument ?? ''].join(' ').trim() : question.kind;
  });

  it('is what was told last, and nothing that has been taken back', () => {
    const standing = new Standing();
    for (const each of [command('pause', 'a'), command('disable', 'b'), command('pause'), command('resume'), command('enable', 'b')]) {
      standing.note(each);
    }
    standing.note({ kind: 'set', key: 'verbose', value: '1' });
    expect(words(standing)).toEqual(['pause a', 'set verbose']);
    standing.note(command('reload'));
    expect(words(standing)).toEqual(['pause a']);
    standing.note(command('kill'));
    standing.note(command('resume', 'a'));
    expect(words(standing)).toEqual(['kill', 'resume a']);
  });
});

describe('workers and so_reuseport', () => {
  it.each([
    [{ workers: 2 }, 'v20.19.0', 'workers = 2 needs Node 22.12 or later, which can share a port between processes; this is Node v20.19.0'],
    [
      { so_reuseport: true }, 'v22.11.0',
      'so_reuseport = 1 needs Node 22.12 or later, which can share a port between processes; this is Node v22.11.0',
    ],
    [{ workers: 2, listen_port: 0 }, 'v22.12.0', 'workers need a listen_port that they all have, not 0'],
    [{ workers: 0 }, 'v22.12.0', 'workers must be from 1 to 64, not 0'],
    [{ workers: 2, so_reuseport: true }, 'v22.12.0', undefined], [{ workers: 2 }, 'v24.0.0', undefined], [{}, 'v20.19.0', undefined],
  ])('%o on Node %s', (values, version, message) => {
    expect(sharingProblem({ ...defaults(), ...values }, { platform: 'linux', version })?.message).toBe(message);
  });

  it('need a system that can', () => {
    expect(sharingProblem({ ...defaults(), workers: 2 }, { platform: 'darwin', version: 'v24.0.0' })?.message)
      .toBe('workers = 2 needs a system that can share a port between processes, as Linux and FreeBSD can; this is darwin');
  });
});
