// The entry of `npm run proxy`. The program is loaded after the check: it may not load on an old Node.
import { check, thisMachine } from '../demo/troubles.ts';
import { enter } from '../entry.ts';
import { HELP, planFrom } from './options.ts';

await enter('proxy', (args) => {
  const plan = planFrom(args);
  return plan === 'help' ? { help: HELP } : async (screen, signal) => {
    check(thisMachine());
    await (await import('./run.ts')).run(plan, screen, signal);
  };
});
