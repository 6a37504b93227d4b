/// <reference lib="esnext.disposable" preserve="true" />
// @millpond/generic-pool: its names, and what Node hands to require(), under a name that TypeScript before 5.6 cannot read.

export * from './names.ts';
export { default, default as 'module.exports' } from './names.ts';
