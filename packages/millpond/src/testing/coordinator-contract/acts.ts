// What each heartbeat must do, one at a time.

import assert from 'node:assert/strict';
import { TAIL_MS, TERMS, type CoordinatorCase, type CoordinatorStage } from './case.ts';
import type { Coordinator } from '../../fleet/index.ts';

async function permits(stage: CoordinatorStage, coordinator: Coordinator, member: string, words: object): Promise<number> {
  return (await stage.grant(coordinator, member, words)).permit;
}

const grantCases: CoordinatorCase[] = [
  {
    name: 'the first that it hears of anybody it learns: nobody gets more than it has',
    async run(stage) {
      const coordinator = await stage.open();
      const first = await stage.grant(coordinator, 'a', { base: 5 });
      assert.equal(first.learning, true);
      assert.equal(first.permit, 0);
      const entitled = await stage.grant(coordinator, 'b', { held: 3, has: 4, base: 9 });
      assert.deepEqual([entitled.learning, entitled.permit, entitled.reserved, entitled.members], [true, 4, 4, 2]);
      assert.equal(entitled.identity, first.identity);
      assert.notEqual(entitled.identity, '');
    },
  },
  {
    name: 'when it has learnt, demand is met while there is enough',
    async run(stage) {
      const coordinator = await stage.learnt();
      const granted = await stage.grant(coordinator, 'a', { base: 4, demand: 6 });
      assert.deepEqual([granted.learning, granted.permit, granted.reserved, granted.members], [false, 6, 6, 1]);
      assert.ok(Number.isInteger(granted.now), 'the time is in whole milliseconds');
      assert.equal(await permits(stage, coordinator, 'b', { base: 9, demand: 12 }), 12);
    },
  },
  {
    name: 'a twentieth, rounded up, stays free for who needs more at once',
    async run(stage) {
      const terms = { ...TERMS, limit: 23 };
      const coordinator = await stage.learnt(terms);
      assert.equal(await permits(stage, coordinator, 'a', { terms, base: 4, demand: 30 }), 19);
      assert.equal(await permits(stage, coordinator, 'b', { terms, base: 2 }), 2);
    },
  },
  {
    name: 'when there is not enough it is shared as members shrink, and never given twice',
    async run(stage) {
      const coordinator = await stage.learnt();
      assert.equal(await permits(stage, coordinator, 'a', { base: 20 }), 20);
      assert.equal(await permits(stage, coordinator, 'b', { base: 20 }), 0);
      assert.equal(await permits(stage, coordinator, 'a', { held: 20, base: 20 }), 10);
      assert.equal(await permits(stage, coordinator, 'b', { base: 20 }), 0, 'what is not closed yet is not given');
      assert.equal(await permits(stage, coordinator, 'a', { held: 10, base: 20 }), 10);
      assert.equal(await permits(stage, coordinator, 'b', { base: 20 }), 10);
    },
  },
  {
    name: 'two processes with one key are one fleet, and another key is another',
    async run(stage) {
      const [one, other, elsewhere] = [await stage.learnt(), await stage.open(), await stage.open(`${stage.key}-2`)];
      assert.equal(await permits(stage, one, 'a', { base: 20 }), 20);
      assert.equal(await permits(stage, other, 'b', { base: 20 }), 0);
      assert.equal((await stage.grant(elsewhere, 'c', { base: 20 })).members, 1);
      assert.equal((await stage.grant(other, 'b', { base: 1 })).members, 2);
    },
  },
  {
    name: 'names and members may be any text',
    async run(stage) {
      const coordinator = await stage.learnt();
      const odd = [`o'neill "x" \\ $1 %s; --`, 'Bären 🐻', 'a:b:c', 'x'.repeat(200), ' '];
      for (const name of odd) await stage.grant(coordinator, `m-${name}`, { name, base: 1 });
      const { members } = await coordinator.view();
      assert.deepEqual(members.map(({ name }) => name).sort(), [...odd].sort());
      assert.deepEqual(members.map(({ member }) => member).sort(), odd.map((name) => `m-${name}`).sort());
    },
  },
];

const refusalCases: CoordinatorCase[] = [
  {
    name: 'two fleets with different terms on one key: the second is refused, with the terms of the first',
    async run(stage) {
      const coordinator = await stage.learnt();
      await stage.grant(coordinator, 'a', { base: 1 });
      const different: Partial<typeof TERMS>[] = [
        { limit: 23 }, { guard: 1 }, { members: 99 }, { lend: true }, { leaseMs: 251 }, { graceMs: 99 }, { deadManMs: 0 },
      ];
      for (const each of different) {
        const reply = await stage.say(coordinator, 'b', { base: 1, terms: { ...TERMS, ...each } });
        assert.equal(reply.kind, 'refused', `with ${JSON.stringify(each)}`);
        if (reply.kind === 'refused') assert.deepEqual([reply.reason, reply.terms], ['terms', TERMS]);
      }
      assert.equal((await stage.grant(coordinator, 'a', { base: 1 })).members, 1, 'who was refused is not a member');
    },
  },
  {
    name: 'when nobody is left that knows the old terms, the new ones hold, after learning',
    async run(stage) {
      const coordinator = await stage.learnt();
      await stage.grant(coordinator, 'a', { base: 1 });
      await stage.grant(coordinator, 'a', { leaving: true });
      const terms = { ...TERMS, limit: 12 };
      assert.equal((await stage.grant(coordinator, 'b', { base: 20, terms })).learning, true);
      await stage.pass(TAIL_MS / 2);
      await stage.grant(coordinator, 'b', { base: 20, terms });
      await stage.pass(TAIL_MS / 2 + 20);
      assert.equal(await permits(stage, coordinator, 'b', { base: 20, terms }), 10);
    },
  },
  {
    name: 'a heartbeat that was overtaken changes nothing',
    async run(stage) {
      const coordinator = await stage.learnt();
      await stage.grant(coordinator, 'a', { seq: 7, held: 5, base: 5 });
      for (const seq of [6, 7]) assert.deepEqual(await stage.say(coordinator, 'a', { seq, held: 9, base: 20 }), { kind: 'overtaken' });
      const { members } = await coordinator.view();
      assert.deepEqual(members.map(({ held, base, reserved }) => [held, base, reserved]), [[5, 5, 5]]);
    },
  },
  {
    name: 'it is full with as many members as there may be',
    async run(stage) {
      const terms = { ...TERMS, floor: 5, members: 2 };
      const coordinator = await stage.learnt(terms);
      assert.equal((await stage.grant(coordinator, 'a', { terms, base: 20 })).permit, 15, 'a floor is kept for who may come');
      await stage.grant(coordinator, 'b', { terms });
      const reply = await stage.say(coordinator, 'c', { terms });
      assert.equal(reply.kind, 'refused');
      if (reply.kind === 'refused') assert.deepEqual([reply.reason, reply.terms], ['full', terms]);
      await stage.grant(coordinator, 'b', { terms, leaving: true, has: 0 });
      await stage.grant(coordinator, 'c', { terms });
    },
  },
];

const endCases: CoordinatorCase[] = [
  {
    name: 'what a leaving member has closed others get at once',
    async run(stage) {
      const coordinator = await stage.learnt();
      await stage.grant(coordinator, 'a', { base: 20 });
      assert.equal(await permits(stage, coordinator, 'a', { held: 20, leaving: true }), 0);
      assert.equal(await permits(stage, coordinator, 'b', { base: 20 }), 0);
      await stage.grant(coordinator, 'a', { held: 5, leaving: true });
      assert.equal(await permits(stage, coordinator, 'b', { base: 20 }), 15);
      const gone = await stage.grant(coordinator, 'a', { leaving: true });
      assert.deepEqual([gone.permit, gone.members], [0, 1]);
      assert.equal(await permits(stage, coordinator, 'b', { base: 20, held: 15 }), 20);
    },
  },
  {
    name: 'what a silent member had comes back after T + D + Q, and not before',
    async run(stage) {
      const coordinator = await stage.learnt();
      await stage.grant(coordinator, 'a', { base: 20 });
      const early = await stage.grant(coordinator, 'b', { base: 20 });
      assert.equal(early.permit, 0);
      await stage.pass(TAIL_MS - 100);
      const middle = await stage.grant(coordinator, 'b', { base: 20 });
      assert.equal(middle.permit, 0);
      await stage.pass(120);
      const late = await stage.grant(coordinator, 'b', { base: 20 });
      assert.deepEqual([late.permit, late.members], [20, 1]);
    },
  },
  {
    name: 'view tells who holds and wants what, and changes nothing',
    async run(stage) {
      const coordinator = await stage.open();
      const empty = await coordinator.view();
      assert.deepEqual([empty.terms, empty.reserved, empty.members], [undefined, 0, []]);
      await stage.grant(coordinator, 'a', { name: 'orders@one', held: 3, has: 4, base: 5, demand: 7, weight: 2, shortMs: 1_200 });
      const view = await coordinator.view();
      assert.deepEqual([view.terms, view.reserved], [TERMS, 4]);
      assert.ok(view.learningMs > 0 && view.learningMs <= TAIL_MS, `learningMs is ${view.learningMs}`);
      const [only] = view.members;
      assert.ok(only !== undefined && only.silentMs >= 0);
      assert.deepEqual({ ...only, silentMs: 0 }, {
        member: 'a', name: 'orders@one', held: 3, permit: 4, reserved: 4, base: 5, demand: 7, weight: 2, lends: 0, leaving: false,
        shortMs: 1_200, silentMs: 0,
      });
    },
  },
];

export const actCases: readonly CoordinatorCase[] = [...grantCases, ...refusalCases, ...endCases];
