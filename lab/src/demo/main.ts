// The entry: reads the command line, runs the story, and turns whatever ends it into an exit code. Signals are answered once by cleaning
// up, and the second time at once (the server's own exit hook then still removes it).
import { constants } from 'node:os';
import { HELP, planFrom } from './options.ts';
import { fleetPlanFrom } from './fleet/options.ts';
import { kindPlanFrom } from './kinds/options.ts';
import { Screen } from '../drawing/terminal/screen.ts';
import { paint, styleFor } from '../drawing/terminal/style.ts';
import { Trouble } from '../trouble.ts';
import { check, explain, thisMachine } from './troubles.ts';

class Interrupted extends Error {
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super(`Interrupted by ${signal}.`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

const LINGER_MS = 500;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

async function main(): Promise<number> {
  const { stdout, platform, env, argv } = process;
  const style = styleFor({ isTTY: stdout.isTTY, platform, env, ascii: argv.includes('--ascii') });
  const screen = new Screen(process.stdout, style);
  const interrupt = new AbortController();
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (interrupt.signal.aborted) process.exit(128 + constants.signals[signal]);
      screen.rest();
      process.stderr.write(`\n${signal}: cleaning up\n`);
      interrupt.abort(new Interrupted(signal));
    });
  }
  // A reader that went away (`| head`) is no reason to crash in the middle, only to end.
  process.stdout.on('error', () => interrupt.abort(new Interrupted('SIGPIPE')));
  try {
    const work = demoFrom(argv.slice(2));
    if (work === 'help') screen.print(HELP);
    else await work(screen, interrupt.signal);
    return 0;
  } catch (error) {
    screen.rest();
    const reason: unknown = interrupt.signal.reason;
    if (reason instanceof Interrupted) return reason.exitCode;
    return complain(explain(error));
  }
}

type Demo = (screen: Screen, signal: AbortSignal) => Promise<void>;

/** The programs are loaded after the check: they may not load on an old Node. */
function demoFrom(args: readonly string[]): Demo | 'help' {
  const [first = ''] = args;
  const named = /^[a-z]/.test(first);
  const rest = named ? args.slice(1) : args;
  if (!named || first === 'postgres') {
    const plan = planFrom(rest);
    return plan === 'help' ? 'help' : async (screen, signal) => {
      check(thisMachine());
      await (await import('./run.ts')).run(plan, screen, signal);
    };
  }
  if (first === 'fleet') return fleetDemo(rest);
  const plan = kindPlanFrom(rest);
  return plan === 'help' ? 'help' : async (screen, signal) => {
    check(thisMachine());
    const { KINDS } = await import('./kinds/all.ts');
    const kind = KINDS.find(({ name }) => name === first);
    if (kind === undefined) throw new Trouble(`There is no demo "${first}".`, 'See --help for what there is.', 2);
    kind.check();
    await (await import('./kinds/run.ts')).runKind(kind, plan, screen, signal);
  };
}

function fleetDemo(args: readonly string[]): Demo | 'help' {
  const plan = fleetPlanFrom(args);
  return plan === 'help' ? 'help' : async (screen, signal) => {
    check(thisMachine());
    await (await import('./fleet/run.ts')).runFleetDemo(plan, screen, signal);
  };
}

function complain(error: unknown): number {
  const style = styleFor({ isTTY: process.stderr.isTTY, platform: process.platform, env: process.env });
  if (!(error instanceof Trouble)) {
    const details = error instanceof Error ? error.stack ?? error.message : String(error);
    process.stderr.write(`\n${paint(style, 'The demo failed, which is a bug:', 'red')} ${details}\n`);
    return 1;
  }
  process.stderr.write(`\n${paint(style, error.message, 'red')}\n${error.remedy}\n`);
  if (error.cause instanceof Error) process.stderr.write(paint(style, `\n${error.cause.message}\n`, 'dim'));
  return error.exitCode;
}

process.exitCode = await main();
// A peer whose server is gone may go on trying to connect, and would keep us here.
setTimeout(() => process.exit(), LINGER_MS).unref();
