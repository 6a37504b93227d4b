// Act two: the outage, live on a terminal, in lines elsewhere, and once more as a whole when it is over.
import type { PostgresServer } from '../servers/postgres.ts';
import { count, duration, plural } from '../drawing/format.ts';
import type { Server } from './load/strategy.ts';
import type { Plan } from './options.ts';
import { outage } from './outage/outage.ts';
import { recovery, type Events, type Outage, type Sample } from './outage/timeline.ts';
import { outageView } from './outage/view.ts';
import type { Screen } from '../drawing/terminal/screen.ts';
import { paint, wrap } from '../drawing/terminal/style.ts';

const WIDEST_TEXT = 110;

export async function actTwo(plan: Plan, postgres: PostgresServer, server: Server, screen: Screen, signal: AbortSignal): Promise<Outage> {
  const { style } = screen;
  const { size } = plan.outage;
  const lengthMs = plan.outage.calmMs + plan.outage.downMs + plan.outage.afterMs;
  screen.print('', paint(style, `Act 2: the database is killed under ${plural(plan.users, 'user')} on ${size} connections`, 'bold'), '');
  const said = new Set<string>();
  const result = await outage(postgres, server, {
    ...plan, ...plan.outage, signal,
    onSample: (samples, events) => {
      screen.draw(outageView({ samples, events, lengthMs, size, width: screen.columns }, style));
      if (!style.live) narrate(screen, samples, events, said);
    },
  });
  screen.rest();
  if (!style.live) screen.print('');
  screen.print(...outageView({ ...result, lengthMs, width: screen.columns }, style));
  const { before } = recovery(result);
  const kinds = result.errorKinds.slice(0, 3).map(([kind, times]) => `${count(times)} × "${kind}"`).join(', ');
  screen.print(
    ...wrap(`Before: ${count(before)} answers/s. Errors: ${count(result.errors)}${kinds ? ` (${kinds})` : ''}. Connection attempts: ` +
      `${count(result.attempts.total)}, at most ${result.attempts.peak} at once (maxCreating ${result.maxCreating}).`,
    Math.min(WIDEST_TEXT, screen.columns)));
  return result;
}

/** Without a terminal there is nothing to redraw: a line per second, and one per event. `said` holds what has been said. */
function narrate(screen: Screen, samples: readonly Sample[], events: Partial<Events>, said: Set<string>): void {
  const last = samples.at(-1);
  if (!last) return;
  const say = (key: string, words: string): void => {
    if (said.has(key)) return;
    said.add(key);
    screen.print(`  ${words}`);
  };
  if (events.killedMs !== undefined) say('killed', `killed with SIGKILL at ${duration(events.killedMs)}`);
  if (events.restartedMs !== undefined) say('restarted', `started again at ${duration(events.restartedMs)}`);
  if (events.firstOkMs !== undefined) say('first', `first answer at ${duration(events.firstOkMs)}`);
  const second = Math.floor(last.atMs / 1000);
  if (second === 0) return;
  say(`second ${second}`, `${duration(last.atMs)}: ${count(last.ok / (last.spanMs / 1000))} answers/s, ${last.connections} connections, ` +
    `${last.connecting} connecting, ${count(last.waiting)} waiting`);
}
