// What the benchmark reads from a restart: steps of 50 ms in, moments out.
import { describe, expect, it } from 'vitest';
import { recovery, type Moments, type Step } from '../../lab/src/bench/postgres/recovery.ts';

const STEP_MS = 50;
const MOMENTS: Moments = { downMs: 2000, startMs: 2500, upMs: 2700 };

/** Steps from 0 on; each has so many answers, the first of them in its middle. */
function stepsOf(answers: (fromMs: number) => number, untilMs = 5000, connecting: (fromMs: number) => number = () => 0): Step[] {
  return Array.from({ length: untilMs / STEP_MS }, (_, index) => {
    const fromMs = index * STEP_MS;
    const ok = answers(fromMs);
    return { fromMs, toMs: fromMs + STEP_MS, ok, firstOkMs: ok > 0 ? fromMs + 25 : undefined, connecting: connecting(fromMs) };
  });
}

describe('what is read from a restart', () => {
  it('has its rate from before the shutdown, without the first rush', () => {
    const steps = stepsOf((fromMs) => (fromMs < 500 ? 1000 : fromMs < 2000 ? 100 : 0));
    expect(recovery(steps, MOMENTS).before).toBe(2000);
  });

  it('counts the first answer from the moment when the server was up', () => {
    const steps = stepsOf((fromMs) => (fromMs < 2000 || fromMs >= 3000 ? 100 : 0));
    expect(recovery(steps, MOMENTS).firstAnswerMs).toBe(325);
  });

  it('takes no answer from before the start for one of the new server', () => {
    const steps = stepsOf((fromMs) => (fromMs < 2450 || fromMs >= 3000 ? 100 : 0));
    expect(recovery(steps, MOMENTS).firstAnswerMs).toBe(325);
  });

  it('knows no time before nought: somebody may have an answer before the starter has noticed', () => {
    const steps = stepsOf((fromMs) => (fromMs < 2000 || fromMs >= 2600 ? 100 : 0));
    expect(recovery(steps, MOMENTS)).toMatchObject({ firstAnswerMs: 0, fullMs: 0 });
  });

  it('calls it whole from where it keeps to nine tenths of the rate before', () => {
    const steps = stepsOf((fromMs) => (fromMs < 2000 ? 100 : fromMs < 3000 ? 0 : fromMs < 3400 ? 80 : 95));
    expect(recovery(steps, MOMENTS).fullMs).toBe(700);
  });

  it('is not taken in by one good moment', () => {
    const steps = stepsOf((fromMs) => (fromMs < 2000 ? 100 : fromMs === 3000 ? 200 : fromMs >= 4000 ? 100 : 0));
    expect(recovery(steps, MOMENTS).fullMs).toBe(1300);
  });

  it('has no figure for what did not happen', () => {
    const never = stepsOf((fromMs) => (fromMs < 2000 ? 100 : 0));
    expect(recovery(never, MOMENTS)).toMatchObject({ firstAnswerMs: undefined, fullMs: undefined });
    const tooLate = stepsOf((fromMs) => (fromMs < 2000 || fromMs >= 4900 ? 100 : 0));
    expect(recovery(tooLate, MOMENTS).fullMs).toBeUndefined();
  });

  it('has the most connects at once from after the shutdown only', () => {
    const steps = stepsOf(() => 100, 5000, (fromMs) => (fromMs === 1000 ? 10 : fromMs === 2600 ? 3 : 0));
    expect(recovery(steps, MOMENTS).peak).toBe(3);
  });
});
