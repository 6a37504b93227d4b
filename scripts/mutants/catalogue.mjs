// Every known way to break the engine. A mutant says in its name what is broken then: `file` (below packages/millpond/src) has `find` in
// exactly one place, which `replace` takes. `killer` is the file of tests (below tests) that is tried first, because it caught it before.
// What no test can notice is no mutant: a change without an effect is left out.

import { CREATING } from './creating.mjs';
import { ENDING } from './ending.mjs';
import { FLEETS } from './fleets.mjs';
import { FREEZES } from './freezes.mjs';
import { ORDERS } from './orders.mjs';
import { RUNTIME } from './runtime.mjs';
import { SHARES } from './shares.mjs';
import { SIGHT } from './sight.mjs';
import { WAITING } from './waiting.mjs';

export const CATALOGUE = [...WAITING, ...CREATING, ...ENDING, ...FREEZES, ...ORDERS, ...SHARES, ...RUNTIME, ...SIGHT, ...FLEETS];
