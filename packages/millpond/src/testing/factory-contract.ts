// What a pool may expect of a factory, as cases that any adapter can be run through. They talk to the real thing in real time: give them
// a server of their own.

import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { DestroyReason, Factory, ResourceInfo } from '../index.ts';
import type { ContractCase } from './contract.ts';

export interface FactoryContractSetup<T> {
  readonly name: string;
  /** The factory under test. Called once a case. */
  readonly factory: () => Factory<T> | Promise<Factory<T>>;
  /** A real round trip: rejects when the resource does not work. Default: `validate` of the factory. */
  readonly use?: (resource: T) => unknown;
  /** How many resources the other end sees. With it the cases also prove that nothing is left behind. */
  readonly countOpen?: () => number | Promise<number>;
  /** Ends a resource from the other end, as a crash would: no goodbye. With it the cases look at `onLost`, `isBroken` and `validate`. */
  readonly kill?: (resource: T) => unknown;
  /** Leaves something behind in the resource that `reset` has to clean up, and tells whether it is clean. */
  readonly soil?: (resource: T) => unknown;
  readonly isClean?: (resource: T) => boolean | Promise<boolean>;
  /** Makes creating fail until `restore` is called. */
  readonly refuse?: () => unknown;
  readonly restore?: () => unknown;
  /** How long the other end may take to notice something. Default 5 000. */
  readonly patienceMs?: number;
}

/** How often the other end is looked at while something is to become visible there. */
const POLL_MS = 5;

/** One case: the factory of its own, and what it needs to play its part. */
interface Stage<T> extends FactoryContractSetup<T> {
  readonly made: Factory<T>;
  readonly patience: number;
  create(): Promise<T>;
  destroy(resource: T, reason?: DestroyReason): Promise<void>;
  validate(resource: T): Promise<boolean>;
  works(resource: T): Promise<void>;
  /** Fails unless the other end sees as many as at the start of the case. */
  nothingLeft(): Promise<void>;
}

interface Case<T> {
  readonly name: string;
  /** What the setup (or the factory) must have for it. */
  readonly needs?: readonly (keyof FactoryContractSetup<T>)[];
  readonly hooks?: readonly (keyof Factory<T>)[];
  run(stage: Stage<T>): Promise<void>;
}

/**
 * The cases for one factory. A case for which the setup lacks something is left out; one whose hook the factory lacks passes, for the
 * hook is optional.
 */
export function factoryContract<T>(setup: FactoryContractSetup<T>): ContractCase[] {
  const cases: Case<T>[] = [
    ...lifeCases<T>(),
    ...resetCases<T>(),
    ...abortCases<T>(),
    ...deathCases<T>(),
    ...neighbourCases<T>(),
    ...failureCases<T>(),
  ];
  return cases
    .filter((each) => (each.needs ?? []).every((part) => setup[part] !== undefined))
    .map((each) => ({
      name: `${setup.name}: ${each.name}`,
      async run() {
        const made = await setup.factory();
        if ((each.hooks ?? []).every((hook) => made[hook] !== undefined)) await each.run(await stageFor(setup, made));
      },
    }));
}

function lifeCases<T>(): Case<T>[] {
  return [
    {
      name: 'create yields a resource that works, and destroy ends it for good',
      async run(stage) {
        const resource = await stage.create();
        await stage.works(resource);
        assert.equal(stage.made.isBroken?.(resource) ?? false, false, 'isBroken of a new resource');
        await stage.destroy(resource);
        await stage.nothingLeft();
      },
    },
    {
      name: 'two creates at once yield two resources that work side by side',
      async run(stage) {
        const [one, two] = await Promise.all([stage.create(), stage.create()]);
        assert.notEqual(one, two, 'both creates yielded the same resource');
        await Promise.all([stage.works(one), stage.works(two)]);
        await stage.destroy(one);
        await stage.works(two);
        await stage.destroy(two);
        await stage.nothingLeft();
      },
    },
    {
      name: 'validate says true again and again, and leaves the resource as it was',
      hooks: ['validate'],
      async run(stage) {
        const resource = await stage.create();
        for (let i = 0; i < 3; i++) assert.equal(await stage.validate(resource), true, `validate, time ${i + 1}`);
        await stage.works(resource);
        await stage.destroy(resource);
      },
    },
    {
      name: 'a second destroy does no harm',
      async run(stage) {
        const resource = await stage.create();
        const other = await stage.create();
        await stage.destroy(resource);
        await settles(stage, 'the second destroy', () => stage.made.destroy(resource, ending('poolClosed')));
        await stage.works(other);
        await stage.destroy(other);
        await stage.nothingLeft();
      },
    },
    {
      name: 'validate does not call a destroyed resource alive',
      hooks: ['validate'],
      async run(stage) {
        const resource = await stage.create();
        await stage.destroy(resource);
        assert.equal(await stage.validate(resource).catch(() => false), false, 'validate after destroy');
      },
    },
  ];
}

function resetCases<T>(): Case<T>[] {
  return [
    {
      name: 'reset of an untouched resource leaves it working',
      hooks: ['reset'],
      async run(stage) {
        const resource = await stage.create();
        for (let i = 0; i < 2; i++) await within(stage, 'reset', stage.made.reset!(resource, check()));
        await stage.works(resource);
        await stage.destroy(resource);
      },
    },
    {
      name: 'reset leaves nothing of the last borrower behind',
      needs: ['soil', 'isClean'],
      hooks: ['reset'],
      async run(stage) {
        const resource = await stage.create();
        await stage.soil!(resource);
        await within(stage, 'reset', stage.made.reset!(resource, check()));
        assert.equal(await stage.isClean!(resource), true, 'clean after reset');
        await stage.works(resource);
        await stage.destroy(resource);
      },
    },
  ];
}

function abortCases<T>(): Case<T>[] {
  return [
    {
      name: 'a create whose signal has aborted already rejects and leaves nothing',
      async run(stage) {
        const created = settle(() => stage.made.create({ signal: AbortSignal.abort(new Error('not wanted')), attempt: 1 }));
        const outcome = await within(stage, 'create', created);
        if (outcome.ok) await stage.destroy(outcome.value);
        assert.equal(outcome.ok, false, 'create ignored a signal that had aborted before it was called');
        await stage.nothingLeft();
      },
    },
    {
      name: 'a create that is aborted on its way gives up and leaves nothing',
      async run(stage) {
        for (const delayMs of [0, 1, 3]) {
          const abort = new AbortController();
          const created = settle(() => stage.made.create({ signal: abort.signal, attempt: 1 }));
          if (delayMs > 0) await sleep(delayMs);
          abort.abort(new Error('not wanted any more'));
          const outcome = await within(stage, 'an aborted create', created);
          // It may have been ready by then; a pool destroys what comes too late.
          if (outcome.ok) await stage.destroy(outcome.value, 'late');
        }
        await stage.nothingLeft();
      },
    },
    {
      name: 'a signal that aborts after create is done does not hurt the resource',
      async run(stage) {
        const abort = new AbortController();
        const resource = await within(stage, 'create', Promise.resolve(stage.made.create({ signal: abort.signal, attempt: 1 })));
        abort.abort(new Error('late'));
        await sleep(10);
        await stage.works(resource);
        await stage.destroy(resource);
        await stage.nothingLeft();
      },
    },
    {
      name: 'validate and reset end when their signal aborts',
      async run(stage) {
        const resource = await stage.create();
        const aborted = { ...info(), signal: AbortSignal.abort(new Error('out of time')) };
        await settles(stage, 'validate', () => stage.made.validate?.(resource, aborted));
        await settles(stage, 'reset', () => stage.made.reset?.(resource, aborted));
        await stage.destroy(resource);
        await stage.nothingLeft();
      },
    },
  ];
}

function deathCases<T>(): Case<T>[] {
  return [
    {
      name: 'a resource that dies tells its listener, and looks broken from then on',
      needs: ['kill'],
      hooks: ['onLost'],
      async run(stage) {
        const resource = await stage.create();
        let heard = 0;
        const unsubscribe = stage.made.onLost!(resource, () => void heard++);
        assert.equal(heard, 0, 'onLost called its listener before anything happened');
        await stage.kill!(resource);
        await eventually(stage, 'onLost was not called after the resource had died', () => heard > 0);
        assert.equal(stage.made.isBroken?.(resource) ?? true, true, 'isBroken of a dead resource');
        assert.equal(await stage.validate(resource).catch(() => false), false, 'validate of a dead resource');
        unsubscribe();
        await settles(stage, 'destroy of a dead resource', () => stage.made.destroy(resource, ending('broken')));
        await stage.nothingLeft();
      },
    },
    {
      name: 'who has unsubscribed hears nothing, and the others still do',
      needs: ['kill'],
      hooks: ['onLost'],
      async run(stage) {
        const resource = await stage.create();
        let gone = 0;
        let there = 0;
        const unsubscribe = stage.made.onLost!(resource, () => void gone++);
        const stay = stage.made.onLost!(resource, () => void there++);
        unsubscribe();
        await stage.kill!(resource);
        await eventually(stage, 'onLost was not called', () => there > 0);
        assert.equal(gone, 0, 'a listener was called after it had unsubscribed');
        stay();
        await settles(stage, 'destroy', () => stage.made.destroy(resource, ending('broken')));
      },
    },
    {
      name: 'a planned destroy is not reported as a loss to who has unsubscribed',
      hooks: ['onLost'],
      async run(stage) {
        const resource = await stage.create();
        let heard = 0;
        stage.made.onLost!(resource, () => void heard++)();
        await stage.destroy(resource);
        await sleep(20);
        assert.equal(heard, 0);
      },
    },
  ];
}

function neighbourCases<T>(): Case<T>[] {
  return [
    {
      name: 'a resource that dies with nobody listening does not take the process with it, and destroys cleanly',
      needs: ['kill'],
      async run(stage) {
        const resource = await stage.create();
        await stage.kill!(resource);
        await sleep(50); // an unhandled error of the resource would end the process here
        await settles(stage, 'destroy of a dead resource', () => stage.made.destroy(resource, ending('broken')));
        await stage.nothingLeft();
      },
    },
    {
      name: 'the death of one resource leaves the others alone',
      needs: ['kill'],
      async run(stage) {
        const [one, two] = await Promise.all([stage.create(), stage.create()]);
        let heardOfTwo = 0;
        const unsubscribe = [stage.made.onLost?.(one, () => undefined), stage.made.onLost?.(two, () => void heardOfTwo++)];
        await stage.kill!(one);
        await sleep(50);
        assert.equal(heardOfTwo, 0, 'onLost was called for the other one');
        for (const end of unsubscribe) end?.();
        assert.equal(stage.made.isBroken?.(two) ?? false, false, 'isBroken of the other one');
        await stage.works(two);
        await settles(stage, 'destroy', () => stage.made.destroy(one, ending('broken')));
        await stage.destroy(two);
        await stage.nothingLeft();
      },
    },
  ];
}

function failureCases<T>(): Case<T>[] {
  return [
    {
      name: 'a create that cannot succeed rejects, leaves nothing, and works again afterwards',
      needs: ['refuse', 'restore'],
      async run(stage) {
        await stage.refuse!();
        let outcome: Outcome<T>;
        try {
          outcome = await within(
            stage,
            'a refused create',
            settle(() => stage.made.create({ signal: new AbortController().signal, attempt: 1 })),
          );
        } finally {
          await stage.restore!();
        }
        if (outcome.ok) await stage.destroy(outcome.value);
        assert.equal(outcome.ok, false, 'create succeeded although it was refused');
        assert.ok(outcome.error instanceof Error, 'create rejects with an Error');
        const kind = stage.made.classify?.(outcome.error);
        assert.ok(kind === undefined || kind === 'transient' || kind === 'permanent', `classify answered ${String(kind)}`);
        await stage.nothingLeft();
        const resource = await stage.create();
        await stage.works(resource);
        await stage.destroy(resource);
        await stage.nothingLeft();
      },
    },
    {
      name: 'classify has an answer to any value',
      hooks: ['classify'],
      async run(stage) {
        const values = [undefined, null, 'text', 7, {}, new Error('anything'), Object.assign(new Error('code'), { code: 'ECONNREFUSED' })];
        for (const value of values) {
          const kind = stage.made.classify!(value);
          assert.ok(kind === 'transient' || kind === 'permanent', `classify(${inspect(value)}) answered ${String(kind)}`);
        }
      },
    },
    {
      name: 'twenty lives in a row leave nothing behind',
      async run(stage) {
        for (let i = 0; i < 20; i++) await stage.destroy(await stage.create(), 'maxUses');
        await stage.nothingLeft();
      },
    },
  ];
}

// ------------------------------------------------------------------------ stage

type Outcome<V> = { readonly ok: true; readonly value: V } | { readonly ok: false; readonly error: unknown };

async function stageFor<T>(setup: FactoryContractSetup<T>, made: Factory<T>): Promise<Stage<T>> {
  const patience = setup.patienceMs ?? 5_000;
  const atStart = await setup.countOpen?.();
  const stage: Stage<T> = {
    ...setup,
    made,
    patience,
    create: () => within(stage, 'create', Promise.resolve(made.create({ signal: new AbortController().signal, attempt: 1 }))),
    destroy: async (resource, reason = 'idleTimeout') => within(stage, 'destroy', Promise.resolve(made.destroy(resource, ending(reason)))),
    validate: async (resource) => {
      if (made.validate === undefined) return !(made.isBroken?.(resource) ?? false);
      return within(stage, 'validate', Promise.resolve(made.validate(resource, check())));
    },
    works: async (resource) => {
      if (setup.use !== undefined) await within(stage, 'use', Promise.resolve(setup.use(resource)));
      else assert.equal(await stage.validate(resource), true, 'the resource does not work');
    },
    nothingLeft: async () => {
      if (setup.countOpen === undefined) return;
      let open = await setup.countOpen();
      for (let waitedMs = 0; open > atStart! && waitedMs < patience; waitedMs += POLL_MS) {
        await sleep(POLL_MS);
        open = await setup.countOpen();
      }
      // Fewer is what the other end has noticed late of the case before.
      assert.ok(open <= atStart!, `${open} resources that the other end still sees, and ${atStart} at the start`);
    },
  };
  return stage;
}

function info(): ResourceInfo {
  return { id: 1, ageMs: 0, idleMs: 0, uses: 1, generation: 1 };
}

function check(): ResourceInfo & { readonly signal: AbortSignal } {
  return { ...info(), signal: new AbortController().signal };
}

function ending(reason: DestroyReason): { readonly reason: DestroyReason; readonly signal: AbortSignal } {
  return { reason, signal: new AbortController().signal };
}

/** The outcome as a value, whichever way the hook fails. */
async function settle<V>(hook: () => V | Promise<V>): Promise<Outcome<V>> {
  try {
    return { ok: true, value: await hook() };
  } catch (error) {
    return { ok: false, error };
  }
}

/** Fails when the hook neither resolves nor rejects in time. */
async function settles<T>(stage: Stage<T>, what: string, hook: () => unknown): Promise<void> {
  await within(stage, what, settle(hook));
}

async function within<T, V>(stage: Stage<T>, what: string, value: V | Promise<V>): Promise<V> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${what} did not settle within ${stage.patience} ms`));
    }, stage.patience);
  });
  try {
    return await Promise.race([value, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function eventually<T>(stage: Stage<T>, complaint: string, holds: () => boolean): Promise<void> {
  for (let waitedMs = 0; !holds(); waitedMs += POLL_MS) {
    if (waitedMs > stage.patience) throw new Error(complaint);
    await sleep(POLL_MS);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
