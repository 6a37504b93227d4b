/// <reference lib="esnext.disposable" preserve="true" />
// A pooler for PostgreSQL in the process of whoever wants one: a test, a development server. The command line is cli.ts.

export { loadConfig, type Config, type DatabaseConfig, type PoolMode, type UserConfig } from './config/config.ts';
export type { SettingName } from './config/settings.ts';
export type { Client } from './client/client.ts';
export {
  ConfigError, createProxy, type CreateProxyOptions, type DatabaseKeys,
  type EmbeddedProxy, type Keys, type ReloadOptions, type Row, type SettingValue,
} from './embedded.ts';
export type { Arrival, Hooks, Newcomer, ObservedClient, ObservedServer, ProxyEvent, Verdict } from './hooks.ts';
export type { Connect } from './server/streams.ts';
export { Proxy, type ProxyOptions, type ShutdownWait } from './proxy.ts';
