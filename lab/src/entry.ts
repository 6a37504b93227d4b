// The entry of a program of the lab: runs it and turns whatever ends it into an exit code. Signals are answered once by cleaning up, and
// the second time at once (a server's own exit hook then still removes it).
import { constants } from 'node:os';
import { explain } from './demo/troubles.ts';
import { Screen } from './drawing/terminal/screen.ts';
import { paint, styleFor } from './drawing/terminal/style.ts';
import { Trouble } from './trouble.ts';

export type Work = (screen: Screen, signal: AbortSignal) => Promise<void>;

class Interrupted extends Error {
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super(`Interrupted by ${signal}.`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

const LINGER_MS = 500;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** `work` is told what it does by the command line: a program, or what to print instead. `name` stands in the message of a bug. */
export async function enter(name: string, work: (args: readonly string[]) => Work | { readonly help: string }): Promise<void> {
  process.exitCode = await run(name, work);
  // A peer whose server is gone may go on trying to connect, and would keep us here.
  setTimeout(() => process.exit(), LINGER_MS).unref();
}

async function run(name: string, work: Parameters<typeof enter>[1]): Promise<number> {
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
    const program = work(argv.slice(2));
    if ('help' in program) screen.print(program.help);
    else await program(screen, interrupt.signal);
    return 0;
  } catch (error) {
    screen.rest();
    const reason: unknown = interrupt.signal.reason;
    if (reason instanceof Interrupted) return reason.exitCode;
    return complain(name, explain(error));
  }
}

function complain(name: string, error: unknown): number {
  const style = styleFor({ isTTY: process.stderr.isTTY, platform: process.platform, env: process.env });
  if (!(error instanceof Trouble)) {
    const details = error instanceof Error ? error.stack ?? error.message : String(error);
    process.stderr.write(`\n${paint(style, `The ${name} failed, which is a bug:`, 'red')} ${details}\n`);
    return 1;
  }
  process.stderr.write(`\n${paint(style, error.message, 'red')}\n${error.remedy}\n`);
  if (error.cause instanceof Error) process.stderr.write(paint(style, `\n${error.cause.message}\n`, 'dim'));
  return error.exitCode;
}
