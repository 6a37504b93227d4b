import { simulate } from 'millpond/testing';
import { test, vi } from 'vitest';
test('cpu', async () => {
  vi.spyOn(process, 'emitWarning').mockReturnValue();
  for (let round = 0; round < 3; round++) {
  const a = process.cpuUsage();
  for (let s = 1; s <= 700; s++) { await simulate({ seed: s }); if (s % 25 === 0) await new Promise((r) => setImmediate(r)); }
  const b = process.cpuUsage(a);
  console.log('seeds/cpu-s', 700 / ((b.user + b.system) / 1e6));
  }
}, 600000);
