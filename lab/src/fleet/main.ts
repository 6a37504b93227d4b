// What one budget for a fleet is worth: `npm run fleet`. From the simulator, with `--seconds <n>` of load (default 60) and, with `--quick`,
// smaller fleets only. Or, with `--real`, from ten processes on a real PostgreSQL, here and now: `--rounds <n>` (default 1), and the
// budget's engine by `--engine redis` or `postgres` (default: Redis, where it is installed).
import { parseArgs } from 'node:util';
import { styleFor } from '../drawing/terminal/style.ts';
import { realFleets } from './real.ts';
import { simulatedFleets } from './simulated.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' }, quick: { type: 'boolean', default: false },
    real: { type: 'boolean', default: false }, rounds: { type: 'string', default: '1' }, engine: { type: 'string' },
  },
});
const style = styleFor({ isTTY: process.stdout.isTTY, platform: process.platform, env: process.env });
const engine = values.engine === 'redis' || values.engine === 'postgres' ? values.engine : undefined;
const missed = values.real
  ? await realFleets(Number(values.rounds), engine, style)
  : simulatedFleets(Number(values.seconds), values.quick, style);
for (const words of missed) process.stdout.write(`${words}\n`);
process.exitCode = missed.length > 0 ? 1 : 0;
