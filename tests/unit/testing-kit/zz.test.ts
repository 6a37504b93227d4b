import { poolContract } from 'millpond/testing';
import { appendFileSync } from 'node:fs';
import { test } from 'vitest';
import { FAULTS, ToyPool } from './toy-pool.ts';
const without = ['breaker', 'sharing', 'keepalive', 'leaks'] as const;
test('each', async () => {
  for (const fault of FAULTS) {
    const failed: string[] = [];
    for (const c of poolContract({ name: 'toy', pool: (o) => new ToyPool(o, fault), without, walks: 3 })) {
      appendFileSync('/tmp/exp/progress.txt', `${fault}: ${c.name}\n`);
      await c.run().catch((e: Error) => failed.push(c.name + ' :: ' + e.message.slice(0, 80)));
    }
    appendFileSync('/tmp/exp/faults.txt', `${fault} -> ${failed.length}: ${failed[0]}\n`);
  }
}, 500000);
