// The engine under the contract that is published for pools.

import { Pool } from 'millpond';
import { defineCases, poolContract } from 'millpond/testing';
import { test } from 'vitest';

defineCases(poolContract({ name: 'Pool', pool: (options) => new Pool(options), walks: 40 }), test);
