/// <reference lib="esnext.disposable" preserve="true" />
// @millpond/mysql2/promise: its names, and what Node hands to require(), under a name that TypeScript before 5.6 cannot read.

export * from './promise-names.ts';
export { default, default as 'module.exports' } from './promise-names.ts';
