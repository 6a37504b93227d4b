import { seededRandom } from 'millpond/testing';
import { test } from 'vitest';
import { play } from './play.ts';
async function simulate(load: number, durationMs: number, seed: string, poisson: boolean, stagger: boolean, headroom?: number) {
  const scene = play({ max: 10, lanes: { high: { share: 8 }, low: { share: 2 } }, acquireTimeoutMs: 2000, ...(headroom === undefined ? {} : { headroom }) });
  const random = seededRandom(seed); const { clock } = scene;
  let busy = 0, low = 0; const waits: number[] = [];
  const ask = (lane: string, hold: number, after?: () => void) => { const at = clock.now(); scene.pool.acquire({ lane }).then((lease) => {
    const from = clock.now(); const c = Math.max(0, Math.min(hold, durationMs - from)); busy += c; if (lane === 'low') low += c; else waits.push(from - at);
    clock.schedule(from + hold, () => { lease.release(); after?.(); }); }, () => after?.()); };
  const again = () => ask('low', 200, again);
  for (let i = 0; i < 30; i++) { if (stagger) clock.schedule(random() * 200, again); else again(); }
  const gap = 5 / 10 / load;
  const arrive = () => { ask('high', 5); clock.schedule(clock.now() + (poisson ? random.exponential(gap) : gap), arrive); };
  arrive();
  while (clock.now() < durationMs) { await clock.advance(100); }
  waits.sort((a, b) => a - b);
  return `busy ${(busy / 10 / durationMs).toFixed(4)} low ${(low/durationMs).toFixed(3)} p50 ${waits[Math.floor(waits.length*.5)]!.toFixed(1)} p99 ${waits[Math.floor(waits.length*.99)]!.toFixed(1)} max ${waits.at(-1)!.toFixed(1)} n ${waits.length}`;
}
test('exp', async () => {
  for (const seed of ['a','b','c','d']) console.log('poisson lockstep', seed, await simulate(0.3, 60000, seed, true, false));
  for (const seed of ['a','b']) console.log('poisson stagger', seed, await simulate(0.3, 60000, seed, true, true));
  console.log('even lockstep', await simulate(0.3, 60000, 'a', false, false));
  console.log('even stagger', await simulate(0.3, 60000, 'a', false, true));
  console.log('0.24 poisson', await simulate(0.24, 60000, 'a', true, false));
  console.log('1.5 poisson', await simulate(1.5, 10000, 'a', true, false));
}, 120000);
