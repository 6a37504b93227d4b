/// <reference lib="esnext.disposable" preserve="true" />
// millpond/http: agents for everything on node:http.

export { HttpAgent, HttpsAgent } from './agent.ts';
export type { HttpAgentOptions, HttpAgentStats, HttpsAgentOptions, HttpWarmOptions } from './types.ts';
