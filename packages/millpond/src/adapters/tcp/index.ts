/// <reference lib="esnext.disposable" preserve="true" />
// millpond/tcp: pools of sockets, over TCP, TLS and Unix sockets.

export { createTcpPool, createTcpPools } from './pool.ts';
export { tcpFactory } from './factory.ts';
export { exchange, type ExchangeOptions } from './exchange.ts';
export { classify } from './classify.ts';
export { AlpnMismatchError, ConnectionLostError, ExchangeTimeoutError, UnexpectedDataError } from './errors.ts';
export type {
  SecureTcpFactoryOptions, SecureTcpPoolOptions, SecureTcpPoolsOptions, TcpAddress, TcpConnectOptions, TcpFactoryOptions, TcpHook,
  TcpPoolOptions, TcpPoolsOptions, TlsOptions,
} from './types.ts';
