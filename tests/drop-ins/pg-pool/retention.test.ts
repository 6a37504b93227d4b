// Nothing that comes and goes with every connect may stand in a Map or a Set: see tests/unit/retention.test.ts.

import { Pool } from '@millpond/pg-pool';
import { expect, test } from 'vitest';
import { retainedByCrowd } from '../../support/retained.ts';
import { FakeClient } from './fake.ts';

/** When those that waited stood in a Set, it was 11 500 000. */
const NOTHING = 1_000_000;

test('connects that wait leave nothing behind', async () => {
  const pool = new Pool<FakeClient>({ max: 10 }, FakeClient);
  expect(await retainedByCrowd(() => pool.connect(), (client) => client.release())).toBeLessThan(NOTHING);
  await pool.end();
});
