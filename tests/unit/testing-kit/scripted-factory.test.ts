// The scripted factory: does what it is told, counts, and notices what no pool may do.

import { Pool } from 'millpond';
import { ScriptedFactory, VirtualClock, type CreateContext } from 'millpond/testing';
import { expect, test } from 'vitest';

const E = new Error('scripted');
const context = (): CreateContext => ({ signal: new AbortController().signal, attempt: 1 });
const check = () => ({ id: 1, ageMs: 0, idleMs: 0, uses: 1, generation: 1, signal: new AbortController().signal });
const ending = (signal = new AbortController().signal) => ({ reason: 'evicted', signal }) as const;

test('it makes r1, r2, ... in the order in which creates succeed', async () => {
  const factory = new ScriptedFactory();
  factory.auto = false;
  expect(factory.auto).toBe(false);
  const [one, two] = [factory.create(context()), factory.create(context())];
  expect(factory.pending).toHaveLength(2);
  factory.pending[1]!.ok();
  factory.pending[0]!.ok();
  expect([(await two).name, (await one).name]).toEqual(['r1', 'r2']);
  expect(factory.pending).toEqual([]);
  expect(factory).toMatchObject({ creates: 2, live: 2, maxLive: 2, maxConcurrentCreates: 2 });
  expect(factory.resources.map(String)).toEqual(['r1', 'r2']);
});

test('each behaviour does what it says', async () => {
  const clock = new VirtualClock();
  const factory = new ScriptedFactory({ clock });
  const { create } = factory.script;
  create.next(
    'sync',
    'ok',
    { rejects: E },
    { throws: E },
    { afterMs: 50 },
    { afterMs: 50, rejects: E },
    () => ({ id: 9, name: 'own' }),
    () => undefined,
    async () => ({ id: 8, name: 'async' }),
  );
  expect((factory.create(context()) as { name: string }).name).toBe('r1');
  await expect(factory.create(context())).resolves.toMatchObject({ name: 'r2' });
  await expect(factory.create(context())).rejects.toBe(E);
  expect(() => factory.create(context())).toThrow(E);
  const late = [factory.create(context()), factory.create(context())];
  const outcomes = Promise.allSettled(late);
  await clock.advance(49);
  expect(factory.pending).toHaveLength(2);
  await clock.advance(1);
  expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  expect(factory.create(context())).toMatchObject({ name: 'own' });
  expect(factory.create(context())).toMatchObject({ name: 'r5' });
  await expect(factory.create(context())).resolves.toMatchObject({ name: 'async' });
  expect(factory.script.create.calls.map((call) => call.state)).toEqual(['ok', 'ok', 'failed', 'failed', 'ok', 'failed', 'ok', 'ok', 'ok']);
  expect(factory.live).toBe(6);
});

test('a manual call settles once, with any value', async () => {
  const factory = new ScriptedFactory();
  factory.script.validate.does('manual');
  const resource = await factory.create(context());
  const answers = [factory.validate!(resource, check()), factory.validate!(resource, check())];
  const [one, two] = factory.script.validate.calls;
  one!.ok(false);
  one!.fail(E);
  two!.fail(undefined);
  await expect(answers[0]).resolves.toBe(false);
  await expect(answers[1]).rejects.toBeUndefined();
});

test('lost tells whoever listens, and isBroken says so from then on', async () => {
  const factory = new ScriptedFactory();
  const resource = await factory.create(context());
  const heard: unknown[] = [];
  const unsubscribe = factory.onLost!(resource, (cause) => heard.push(cause));
  factory.onLost!(resource, (cause) => heard.push(cause));
  expect(factory.listening(resource)).toBe(2);
  unsubscribe();
  expect(factory.lost(resource, E)).toBe(1);
  expect(heard).toEqual([E]);
  expect(factory.isBroken!(resource)).toBe(true);
});

test('hooks are there as the options say', () => {
  expect(
    Object.keys(new ScriptedFactory())
      .filter((key) => ['validate', 'reset', 'isBroken', 'onLost', 'classify'].includes(key))
      .sort(),
  ).toEqual(['isBroken', 'onLost', 'validate']);
  const bare = new ScriptedFactory({ validate: false, isBroken: false, onLost: false });
  expect([bare.validate, bare.reset, bare.isBroken, bare.onLost, bare.classify]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  const full = new ScriptedFactory({ reset: true, classify: () => 'permanent' });
  expect(full.reset).toBeTypeOf('function');
  expect(full.classify!(E)).toBe('permanent');
});

test('it notices a second destroy, a hook after the end, hooks at the same time, and resources of others', async () => {
  const factory = new ScriptedFactory({ reset: true });
  const resource = await factory.create(context());
  factory.script.validate.next('manual');
  void factory.validate!(resource, check());
  await factory.reset!(resource, check());
  await factory.destroy(resource, ending());
  await factory.destroy(resource, ending());
  await factory.validate!(resource, check());
  await factory.destroy({ id: 99, name: 'stranger' }, ending());
  expect(factory.violations).toEqual([
    expect.stringContaining('reset of r1 while its validate was running'),
    expect.stringContaining('destroy of r1 while its validate was running'),
    expect.stringContaining('r1 was destroyed twice: evicted, then evicted'),
    expect.stringContaining('destroy of r1 while its validate was running'),
    expect.stringContaining('validate of r1 after its destroy'),
    expect.stringContaining('validate of r1 while its validate was running'),
    expect.stringContaining('never made'),
  ]);
  expect(factory.live).toBe(0);
});

test('a hook that was given up may run on beside the destroy', async () => {
  const factory = new ScriptedFactory();
  const resource = await factory.create(context());
  const abort = new AbortController();
  factory.script.validate.next('manual');
  void factory.validate!(resource, { ...check(), signal: abort.signal });
  abort.abort();
  await factory.destroy(resource, ending());
  expect(factory.violations).toEqual([]);
});

test('the footprint tells what counts for certain from what was given up', async () => {
  const factory = new ScriptedFactory();
  const kept = await factory.create(context());
  factory.auto = false;
  factory.script.destroy.does('manual');
  const [abort, giveUp] = [new AbortController(), new AbortController()];
  void factory.create(context());
  const given = factory.create({ signal: abort.signal, attempt: 1 });
  expect(factory.footprint()).toEqual({ certain: 3, doubtful: 0 });
  abort.abort();
  expect(factory.footprint()).toEqual({ certain: 2, doubtful: 1 });
  factory.pending[1]!.ok();
  const stray = await given;
  expect(factory.footprint()).toEqual({ certain: 2, doubtful: 1 });
  void factory.destroy(stray, ending());
  void factory.destroy(kept, ending(giveUp.signal));
  giveUp.abort();
  expect(factory.footprint()).toEqual({ certain: 1, doubtful: 2 });
  for (const call of factory.script.destroy.pending) call.ok();
  expect(factory.footprint()).toEqual({ certain: 1, doubtful: 0 });
});

test('any kind of resource will do, as long as each is a value of its own', async () => {
  const factory = new ScriptedFactory<string>({ make: (n) => `connection ${n}` });
  await expect(factory.create(context())).resolves.toBe('connection 1');
  const twins = new ScriptedFactory<string>({ make: () => 'always the same' });
  twins.script.create.does('sync');
  void twins.create(context());
  expect(() => twins.create(context())).toThrow(/a value of its own/);
});

test('afterMs without a clock is a mistake that is named', () => {
  const factory = new ScriptedFactory();
  factory.script.create.does({ afterMs: 5 });
  expect(() => factory.create(context())).toThrow(/create with afterMs needs the option clock/);
});

test('it works for others: code against a pool, without a server', async () => {
  const factory = new ScriptedFactory<{ query(sql: string): string }>({ make: (n) => ({ query: (sql) => `${sql} on connection ${n}` }) });
  const pool = new Pool({ factory, max: 1 });
  await expect(pool.use((connection) => connection.query('SELECT 1'))).resolves.toBe('SELECT 1 on connection 1');
  await pool.close();
  expect(factory.live).toBe(0);
});
