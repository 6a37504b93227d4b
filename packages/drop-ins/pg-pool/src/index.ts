/// <reference lib="esnext.disposable" preserve="true" />
// @millpond/pg-pool: what `require('pg-pool')` and `import Pool from 'pg-pool'` lead to when npm is told to put it in their place. The
// last of the names is what Node hands to require(): the class itself, which pg derives its own Pool from.

export { Pool, Pool as default, Pool as 'module.exports' } from './pool.ts';
