import { natsCoordinator, type Coordinator, type CoordinatorClock, type NatsCoordinator } from 'millpond/fleet';
import { coordinatorContract, defineCases } from 'millpond/testing';
import { Kvm } from '@nats-io/kv';
import { expect, test, vi } from 'vitest';
import { ElectedCoordinator } from '../../packages/millpond/src/fleet/coordinators/nats.ts';
import { onNats, TTL_MS } from '../support/nats.ts';
import { failureOf, until } from '../support/postgres.ts';
import { BRIEF, says, TAIL_MS } from './heartbeats.ts';

onNats('a fleet\'s coordinator', (stage) => {
  const timed = async (key: string, clock?: CoordinatorClock): Promise<Coordinator> => (
    new ElectedCoordinator(await stage.client(), { key }, clock));
  defineCases(coordinatorContract({ name: 'told the time', coordinator: timed, timed: true }), test);

  const made = async (key: string): Promise<NatsCoordinator> => natsCoordinator(await stage.client(), { key });

  test('another one is elected when the elected one resigns, and learns longer than what may still be granted', async () => {
    const [one, other] = [await made('resigns'), await made('resigns')];
    const before = await one.heartbeat(says('a', { held: 3 }));
    expect(await other.heartbeat(says('b'))).toMatchObject({ kind: 'granted', members: 2, learning: true });
    await one.resign();
    const askedAt = performance.now();
    const after = await other.heartbeat(says('b'));
    expect(after).toMatchObject({ kind: 'granted', members: 1, learning: true });
    expect((after as { identity: string }).identity).not.toBe((before as { identity: string }).identity);
    const { learningMs } = await one.view();
    expect(learningMs).toBeGreaterThanOrEqual(Math.floor(TTL_MS + TAIL_MS - (performance.now() - askedAt)) - 1);
    expect(learningMs).toBeLessThanOrEqual(TTL_MS + TAIL_MS);
  });

  test('an elected one that is gone without a word is missed when its time is up', async () => {
    const { connection, bucket } = await stage.client();
    const one = natsCoordinator({ connection, bucket }, { key: 'gone' });
    const other = await made('gone');
    await one.heartbeat(says('a'));
    await other.heartbeat(says('b'));
    await connection.close();
    expect(await failureOf(other.heartbeat(says('b')))).toBeInstanceOf(Error);
    const next = await until('another election', () => other.heartbeat(says('b')).catch(() => undefined), (seen) => seen !== undefined);
    expect(next).toMatchObject({ kind: 'granted', members: 1, learning: true });
  });

  test('one that was deposed answers nobody, however sure it was', async () => {
    const { connection, bucket } = await stage.client();
    // Its renewals do not arrive, and it does not hear that they do not: a partition.
    const deaf = { ...bucketOf(bucket), update: () => new Promise<number>(() => undefined) };
    const one = natsCoordinator({ connection, bucket: deaf }, { key: 'deposed' });
    const other = await made('deposed');
    const before = await one.heartbeat(says('a')) as { identity: string };
    const next = await until('another one to be elected', () => other.heartbeat(says('b')).catch(() => undefined),
      (seen) => seen?.kind === 'granted' && seen.identity !== before.identity);
    const after = await one.heartbeat(says('a'));
    expect(after).toMatchObject({ kind: 'granted', members: 2, identity: (next as { identity: string }).identity });
  });

  test('one whose clock leaps ahead forgets nobody: it gives up', async () => {
    const { connection } = await stage.client();
    const bucket = await new Kvm(connection).create('slow', { ttl: 20_000 });
    const one = natsCoordinator({ connection, bucket }, { key: 'leaps' });
    expect(await one.heartbeat(says('a', { ...BRIEF, held: 3 }))).toMatchObject({ reserved: 3 });
    const now = Date.now.bind(Date);
    const spy = vi.spyOn(Date, 'now').mockImplementation(() => now() + 5_000);
    try {
      expect(String(await failureOf(one.heartbeat(says('b', BRIEF))))).toMatch(/nobody divides/);
    } finally {
      spy.mockRestore();
    }
  });

  test('what is no question is not answered, and does no harm', async () => {
    const [{ connection, bucket }, stranger] = [await stage.client(), (await stage.client()).connection];
    const [one, other] = [natsCoordinator({ connection, bucket }, { key: 'words' }), await made('words')];
    await one.heartbeat(says('a'));
    const key = `fleet-${Buffer.from('words').toString('base64url')}`;
    const subject = `millpond.${key}.${(await bucket.get(key))!.string()}`;
    const { terms, ...rest } = says('b');
    for (const words of ['no JSON', 'null', '{}', '"peek"', '{"heartbeat":null}', JSON.stringify({ heartbeat: { ...rest, terms: {} } }),
      JSON.stringify({ heartbeat: { ...rest, terms, held: 'many' } }), JSON.stringify({ heartbeat: { ...rest, terms, weight: 0 } })]) {
      stranger.publish(subject, words);
    }
    await stranger.flush();
    expect(await other.heartbeat(says('c'))).toMatchObject({ kind: 'granted', members: 2, reserved: 0 });
    await connection.flush();
  });

  test('while the server is away heartbeats reject and are not sent later', async () => {
    const [one, other] = [await made('outage'), await made('outage')];
    await one.heartbeat(says('a'));
    await other.heartbeat(says('b'));
    await stage.server.kill();
    await until('the client to know', () => failureOf(other.heartbeat(says('late'))), (failure) => /not connected/.test(String(failure)));
    await stage.server.start();
    await until('the client to be back', () => failureOf(other.heartbeat(says('b'))), (failure) => failure === undefined);
    expect((await other.view()).members.map(({ member }) => member)).not.toContain('late');
  });

  test('a bucket whose keys never vanish is refused', async () => {
    const { connection } = await stage.client();
    const bucket = await new Kvm(connection).create('eternal');
    const failure = await failureOf(natsCoordinator({ connection, bucket }, { key: 'a' }).heartbeat(says('a')));
    expect(failure?.message).toMatch(/ttl of 0 ms/);
  });
});

type Bucket = Parameters<typeof natsCoordinator>[0]['bucket'];

function bucketOf(bucket: Bucket): Bucket {
  return {
    get: (key) => bucket.get(key), create: (key, value) => bucket.create(key, value), status: () => bucket.status(),
    update: (key, value, revision) => bucket.update(key, value, revision), delete: (key, options) => bucket.delete(key, options),
  };
}
