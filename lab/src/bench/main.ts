// The entry: reads the command line, runs the chapters, and turns whatever ends it into an exit code.
import { setMaxListeners } from 'node:events';
import { constants } from 'node:os';
import { Screen } from '../drawing/terminal/screen.ts';
import { paint, styleFor } from '../drawing/terminal/style.ts';
import { Trouble } from '../trouble.ts';
import { help, optionsFrom } from './options.ts';
import { CHAPTERS } from './registry.ts';
import { run } from './run.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

class Interrupted extends Error {
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super(`Interrupted by ${signal}.`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

async function main(): Promise<number> {
  const { stdout, platform, env, argv } = process;
  const style = styleFor({ isTTY: stdout.isTTY, platform, env, ascii: argv.includes('--ascii') });
  const screen = new Screen(stdout, style);
  const interrupt = new AbortController();
  setMaxListeners(0, interrupt.signal); // every process that measures listens
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (interrupt.signal.aborted) process.exit(128 + constants.signals[signal]);
      interrupt.abort(new Interrupted(signal));
    });
  }
  stdout.on('error', () => interrupt.abort(new Interrupted('SIGPIPE'))); // a reader that went away (`| head`)
  try {
    const options = optionsFrom(argv.slice(2), { chapters: CHAPTERS });
    if (options === 'help') {
      screen.print(help({ chapters: CHAPTERS }));
      return 0;
    }
    return await run(CHAPTERS, options, screen, interrupt.signal);
  } catch (error) {
    screen.rest();
    const reason: unknown = interrupt.signal.reason;
    return complain(reason instanceof Interrupted ? reason : error);
  }
}

function complain(error: unknown): number {
  const style = styleFor({ isTTY: process.stderr.isTTY, platform: process.platform, env: process.env });
  if (error instanceof Interrupted) {
    process.stderr.write(`${error.message} Nothing was written.\n`);
    return error.exitCode;
  }
  if (error instanceof Trouble) {
    process.stderr.write(`${paint(style, error.message, 'red')}\n${error.remedy}\n`);
    return error.exitCode;
  }
  const details = error instanceof Error ? error.stack ?? error.message : String(error);
  process.stderr.write(`${paint(style, 'The benchmark failed, which is a bug:', 'red')} ${details}\n`);
  return 1;
}

process.exitCode = await main();
