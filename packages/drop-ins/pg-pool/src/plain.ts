/// <reference lib="esnext.disposable" preserve="true" />
// The names of index.ts but for the quoted one, which TypeScript before 5.6 cannot read. For its eyes alone.

export { Pool, Pool as default } from './pool.ts';
