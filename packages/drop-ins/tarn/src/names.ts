/// <reference lib="esnext.disposable" preserve="true" />
// @millpond/tarn: what `require('tarn')` leads to when npm is told to put it in tarn's place. The last of the names is what Node hands to
// require(): a plain object, as tarn's own.

import { TimeoutError } from './errors.ts';
import { Pool } from './pool.ts';

export { Pool, TimeoutError };
export type { MillpondOptions, PoolOptions } from './options.ts';
export type { PendingOperation } from './pending.ts';
export type { PromiseInspection } from './inspection.ts';

const tarn: { readonly Pool: typeof Pool; readonly TimeoutError: typeof TimeoutError } = { Pool, TimeoutError };

export { tarn as default };
