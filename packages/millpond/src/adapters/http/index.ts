/// <reference lib="esnext.disposable" preserve="true" />
// millpond/http: agents for everything on node:http, a dispatcher for undici and fetch, and pools of HTTP/2 sessions.

export { HttpAgent, HttpsAgent } from './agent.ts';
export { createDispatcher } from './dispatcher.ts';
export type {
  DispatcherOptions, FetchDispatcher, HttpConnection, HttpConnectOptions, HttpConnector, HttpDispatcher, HttpDispatcherWarmOptions,
  HttpOrigin, HttpOriginStats,
} from './dispatcher-types.ts';
export { createH2Pool, h2Factory, type H2Pool } from './h2-pool.ts';
export { CallTimeoutError, ResponseTooLargeError, SessionLostError } from './h2-errors.ts';
export type { H2Answer, H2CallOptions, H2FactoryOptions, H2Headers, H2PoolOptions, H2RequestOptions } from './h2-types.ts';
export type { HttpAgentOptions, HttpAgentStats, HttpsAgentOptions, HttpWarmOptions } from './types.ts';
