// One of several processes of a proxy: serves clients as a proxy does that is alone, and asks the parent what it may. Started by the
// parent, never by hand; when the parent has gone it goes as well.

import { loadConfig } from '../config/config.ts';
import { loadHooks } from '../hooks.ts';
import { numberFrom } from '../ids.ts';
import { Proxy } from '../proxy.ts';
import { Answering } from './answers.ts';
import type { Down } from './messages.ts';
import { Team } from './team.ts';

const [number = NaN, size = NaN, verbose = 0] = process.argv.slice(2, 5).map(Number);
const [file = '', quiet] = process.argv.slice(5);
const team = new Team(number, size);
process.on('disconnect', () => process.exit(0));
// A terminal sends them to all processes. What they mean is the parent's business.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => undefined);
numberFrom(number, size);

async function start(): Promise<{ readonly proxy: Proxy; readonly answering: Answering }> {
  const config = loadConfig(file);
  if (config.problems.length > 0) throw new Error(config.problems.map(({ message }) => message).join('; '));
  const values = { ...config.values, verbose: Math.max(config.values.verbose, verbose) };
  const hooks = await loadHooks(values);
  const proxy = new Proxy({ config: { ...config, values }, quiet: quiet === 'quiet', reload: () => loadConfig(file), team, hooks });
  proxy.onClosed(() => process.exit(0));
  return { proxy, answering: new Answering(proxy, (message) => team.send(message)) };
}

function failed(error: unknown): void {
  process.send!({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }, () => process.exit(1));
}

const starting = start();
starting.catch(failed);
// What comes before it has started waits, in its order.
process.on('message', (message: Down) => void starting.then(({ proxy, answering }) => {
  switch (message.kind) {
    case 'question': void answering.take(message.id, message.question); break;
    case 'withdrawn': answering.withdraw(message.id, message.reason); break;
    case 'listen': proxy.listen().then(() => team.send({ kind: 'ready' }), failed); break;
    default: team.take(message);
  }
}, () => undefined));
