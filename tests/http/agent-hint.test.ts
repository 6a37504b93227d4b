// What a server says about how long it keeps connections, on a clock of our own.

import type { RequestListener } from 'node:http';
import { HttpAgent, type HttpAgentOptions } from 'millpond/http';
import { VirtualClock } from 'millpond/testing';
import { expect, onTestFinished, test } from 'vitest';
import { until } from '../support/postgres.ts';
import { ask, serve, type Stage } from './stage.ts';

async function scene(hint: string | undefined, options: HttpAgentOptions = {}): Promise<{
  readonly clock: VirtualClock; readonly agent: HttpAgent; readonly stage: Stage; get(): Promise<boolean>;
}> {
  const clock = new VirtualClock();
  const listener: RequestListener = (_, response) => {
    // With a header of its own Node's server leaves out its hint.
    response.writeHead(200, { 'Connection': 'keep-alive', ...(hint === undefined ? {} : { 'Keep-Alive': hint }) }).end('ok');
  };
  const stage = await serve(listener);
  const agent = new HttpAgent({ clock, ...options });
  onTestFinished(() => void agent.close({ deadlineMs: 0 }));
  const get = async (): Promise<boolean> => {
    const { reused } = await ask(agent, stage.origin);
    await until('it to be back', () => agent.stats().borrowed, (borrowed) => borrowed === 0);
    return reused;
  };
  return { clock, agent, stage, get };
}

const cases: readonly (readonly [what: string, hint: string | undefined, options: HttpAgentOptions, lastsMs: number])[] = [
  ['a second less than the server says', 'timeout=5', {}, 4_000],
  ['the margin less than the server says', 'timeout=20', { keepAliveMarginMs: 3_000 }, 17_000],
  ['half of a time as short as the margin', 'timeout=1', {}, 500],
  ['longer than without a hint, when the server says so', 'timeout=65, max=1000', {}, 64_000],
  ['keepAliveTimeoutMs, when the server says nothing', undefined, {}, 4_000],
  ['keepAliveTimeoutMs, when what the server says is nothing', 'timeout=soon', { keepAliveTimeoutMs: 7_000 }, 7_000],
  ['idleTimeoutMs, when the server says nothing and keepAliveTimeoutMs is Infinity', undefined, { keepAliveTimeoutMs: Infinity }, 600_000],
];

for (const [what, hint, options, lastsMs] of cases) {
  test(`an idle connection is lent for ${what}, and not a millisecond longer`, async () => {
    const { clock, get, stage } = await scene(hint, options);
    expect(await get()).toBe(false);
    await clock.advance(lastsMs - 1);
    expect(await get()).toBe(true);
    await clock.advance(lastsMs);
    expect(await get()).toBe(false);
    expect(stage.sockets.length).toBe(2);
  });
}

test('a connection of which the server says that it takes no more is not lent again', async () => {
  const { get } = await scene('timeout=5, max=0');
  expect([await get(), await get()]).toEqual([false, false]);
});

test('the time does not run while a request is on its way', async () => {
  const { clock, agent, stage, get } = await scene('timeout=5');
  await get();
  const running = ask(agent, stage.origin);
  await clock.advance(60_000);
  expect(await running).toMatchObject({ reused: true });
  await until('it to be back', () => agent.stats().borrowed, (borrowed) => borrowed === 0);
  expect(await get()).toBe(true);
});

test('a request destroyed before it was sent gives its connection no new time', async () => {
  const { clock, agent, stage, get } = await scene('timeout=5');
  await get();
  await clock.advance(3_999);
  const controller = new AbortController();
  const request = ask(agent, stage.origin, { signal: controller.signal });
  controller.abort();
  await expect(request).rejects.toMatchObject({ name: 'AbortError' });
  expect(agent.stats()).toMatchObject({ idle: 1 });
  await clock.advance(1);
  expect(await get()).toBe(false);
});

test('warm connections live as long as the server has last said', async () => {
  const { clock, agent, stage, get } = await scene('timeout=60');
  await get();
  await agent.warm(stage.origin, { min: 2 });
  await clock.advance(30_000);
  await Promise.all([get(), get()]);
  await until('both to be idle', () => agent.stats(), ({ idle }) => idle === 2);
  expect(stage.sockets.length).toBe(2);
});

test('what has lived its time is closed without a request, and warm ones are replaced', async () => {
  const stage = await serve((_, response) => response.end());
  const agent = new HttpAgent({ keepAliveTimeoutMs: 50 });
  onTestFinished(async () => { await agent.close({ deadlineMs: 0 }); });
  await agent.warm(stage.origin, { timeoutMs: 60_000 });
  await until('the third', () => stage.sockets.length, (count) => count >= 3);
  await until('the first two to be closed', () => stage.sockets, ([first, second]) => first!.destroyed && second!.destroyed);
  const [stats] = [...agent.stats().perKey.values()];
  expect(stats!.totals.destroyed).toMatchObject({ broken: 0 });
  expect(stats!.totals.destroyed.evicted).toBeGreaterThanOrEqual(2);
});
