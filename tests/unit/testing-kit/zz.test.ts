import { Pool } from 'millpond';
import { poolContract, runCases, ScriptedFactory } from 'millpond/testing';
import { test } from 'vitest';
test('walks', async () => {
  const orig = Array.prototype.push;
  void ScriptedFactory; void orig;
  const failures = await runCases(poolContract({ name: 'Pool', pool: (options) => {
    const pool = new Pool(options);
    const f = options.factory as ScriptedFactory;
    const push = f.violations.push.bind(f.violations);
    f.violations.push = (...t: string[]) => t[0]!.includes(' while its ') ? 0 : push(...t);
    return pool; }, walks: Number(process.env['WALKS'] ?? 300) }));
  for (const { name, error } of failures.slice(0, 12)) console.log('FAILED', name, '\n', String((error as Error).stack).slice(0, 1500));
  console.log('failures', failures.length);
}, 600000);
