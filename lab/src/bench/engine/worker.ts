// One contender at one scenario, in a process of its own: `worker.js <contender> <scenario> <quick|full> [prove]`. With `prove` it shows
// that the contender is a pool before it lets itself be asked for figures.
import { serve } from '../harness/station.ts';
import { CONTENDERS, DROP_INS, FLOOR } from './contenders.ts';
import { prove } from './proof.ts';
import { SCENARIOS } from './scenarios.ts';

const [id, name = '', pace, proof] = process.argv.slice(2);
const contender = [...CONTENDERS, ...DROP_INS].find((one) => one.id === id);
const scenario = SCENARIOS[name];
if (contender === undefined || scenario === undefined) throw new Error(`no contender "${id}" or no scenario "${name}"`);

const open = await contender.load();
if (proof === 'prove' && id !== FLOOR) await prove(open);
const steps = await scenario({ open, quick: pace === 'quick' });

serve(({ step, given }: { readonly step: string; readonly given: unknown }) => {
  const run = steps[step];
  if (run === undefined) throw new Error(`no step "${step}"`);
  return run(given as never);
});
