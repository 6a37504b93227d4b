// The entry of the demo: which of the demos it is. The programs are loaded after the check: they may not load on an old Node.
import { enter, type Work } from '../entry.ts';
import { Trouble } from '../trouble.ts';
import { fleetPlanFrom } from './fleet/options.ts';
import { kindPlanFrom } from './kinds/options.ts';
import { HELP, planFrom } from './options.ts';
import { check, thisMachine } from './troubles.ts';

type Demo = Work | { readonly help: string };

const HELPED: Demo = { help: HELP };

function demoFrom(args: readonly string[]): Demo {
  const [first = ''] = args;
  const named = /^[a-z]/.test(first);
  const rest = named ? args.slice(1) : args;
  if (!named || first === 'postgres') {
    const plan = planFrom(rest);
    return plan === 'help' ? HELPED : async (screen, signal) => {
      check(thisMachine());
      await (await import('./run.ts')).run(plan, screen, signal);
    };
  }
  if (first === 'fleet') return fleetDemo(rest);
  const plan = kindPlanFrom(rest);
  return plan === 'help' ? HELPED : async (screen, signal) => {
    check(thisMachine());
    const { KINDS } = await import('./kinds/all.ts');
    const kind = KINDS.find(({ name }) => name === first);
    if (kind === undefined) throw new Trouble(`There is no demo "${first}".`, 'See --help for what there is.', 2);
    kind.check();
    await (await import('./kinds/run.ts')).runKind(kind, plan, screen, signal);
  };
}

function fleetDemo(args: readonly string[]): Demo {
  const plan = fleetPlanFrom(args);
  return plan === 'help' ? HELPED : async (screen, signal) => {
    check(thisMachine());
    await (await import('./fleet/run.ts')).runFleetDemo(plan, screen, signal);
  };
}

await enter('demo', demoFrom);
