// Many at once, and an engine that forgets, changes or cannot be reached.

import assert from 'node:assert/strict';
import { TAIL_MS, TERMS, type CoordinatorCase } from './case.ts';

export const troubleCases: readonly CoordinatorCase[] = [
  {
    name: 'however many heartbeats come at once, no permit is given twice',
    async run(stage) {
      const terms = { ...TERMS, leaseMs: 60_000 };
      const one = stage.setup.timed === true ? await stage.learnt(terms) : await stage.learnt();
      const others = await Promise.all([1, 2, 3].map(() => stage.open()));
      const members = Array.from({ length: 24 }, (_, i) => `m${i}`);
      const permits = new Map(members.map((each) => [each, 0]));
      for (let round = 0; round < 8; round++) {
        await Promise.all(members.map(async (each, i) => {
          const coordinator = [one, ...others][(i + round) % 4]!;
          const held = permits.get(each)!;
          const words = { held, base: (i * 7 + round * 5) % 11, ...(stage.setup.timed === true ? { terms } : {}) };
          const granted = await stage.grant(coordinator, each, words);
          permits.set(each, granted.permit);
          assert.ok(granted.reserved <= TERMS.limit - TERMS.guard, `${granted.reserved} of ${TERMS.limit - TERMS.guard} are reserved`);
        }));
        const sum = [...permits.values()].reduce((all, each) => all + each, 0);
        assert.ok(sum <= TERMS.limit - TERMS.guard, `${sum} of ${TERMS.limit - TERMS.guard} are granted`);
      }
    },
  },
  {
    name: 'a heartbeat whose signal has aborted already is not sent',
    async run(stage) {
      const coordinator = await stage.learnt();
      await stage.grant(coordinator, 'a', { base: 1 });
      const late = coordinator.heartbeat(stage.says('b', { base: 1 }), AbortSignal.abort(new Error('nobody waits')));
      await assert.rejects(stage.within('an aborted heartbeat', late));
      assert.equal((await stage.grant(coordinator, 'a', { base: 1 })).members, 1);
    },
  },
  {
    name: 'what has forgotten everything learns anew: nothing is given that somebody may have',
    needs: ['forget'],
    async run(stage) {
      const coordinator = await stage.learnt();
      assert.equal((await stage.grant(coordinator, 'a', { base: 20 })).permit, 20);
      await stage.befall('forget');
      const next = await stage.eventually('a heartbeat to an engine that has forgotten', () => stage.grant(coordinator, 'b', { base: 20 }));
      assert.deepEqual([next.learning, next.permit], [true, 0]);
      const back = await stage.grant(coordinator, 'a', { held: 20, base: 20 });
      assert.deepEqual([back.learning, back.permit], [true, 20], 'who has something keeps it');
      await stage.pass(TAIL_MS + 20);
      assert.equal((await stage.grant(coordinator, 'b', { base: 20 })).learning, false);
    },
  },
  {
    name: 'another engine in its place learns anew, whatever it remembers',
    needs: ['renew'],
    async run(stage) {
      const coordinator = await stage.learnt();
      const before = await stage.grant(coordinator, 'a', { base: 20 });
      await stage.befall('renew');
      const after = await stage.eventually('a heartbeat to another engine', () => stage.grant(coordinator, 'b', { base: 20 }));
      assert.deepEqual([after.learning, after.permit], [true, 0]);
      assert.notEqual(after.identity, before.identity);
    },
  },
  {
    name: 'a heartbeat to an engine that cannot be reached rejects, and when it is back it goes on',
    needs: ['cut', 'mend'],
    async run(stage) {
      const coordinator = await stage.learnt();
      await stage.grant(coordinator, 'a', { base: 1 });
      await stage.befall('cut');
      try {
        const heartbeat = coordinator.heartbeat(stage.says('a', { base: 1 }), AbortSignal.timeout(1_000));
        const end = await stage.within('the end of a heartbeat in vain', heartbeat.then(() => 'answered', () => 'rejected'));
        assert.equal(end, 'rejected');
      } finally {
        await stage.setup.mend!();
      }
      const { members } = await stage.eventually('a heartbeat after an outage', () => stage.grant(coordinator, 'a', { base: 1 }));
      assert.equal(members, 1);
    },
  },
];
