// HTTP/2 with servers that others have made: nginx, which ends sessions as it likes, and gRPC.

import { makeCertificate } from '@millpond/lab/certificate';
import { startNginx } from '@millpond/lab/nginx';
import { Server, ServerCredentials, status, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import type { H2Answer, H2Pool } from 'millpond/http';
import { expect, onTestFinished, test } from 'vitest';
import { failureOf, until } from '../support/postgres.ts';
import { h2PoolOf } from './h2-stage.ts';
import { withProgram } from './stage.ts';

/** So many calls at once for as long as it takes; what went wrong. */
async function manyCalls(pool: H2Pool, total: number): Promise<unknown[]> {
  const failures: unknown[] = [];
  let left = total;
  await Promise.all(Array.from({ length: 32 }, async () => {
    while (left-- > 0) {
      const answer = await pool.call({ ':path': '/' }).catch((error: unknown) => void failures.push(error));
      if (answer !== undefined && String(answer.body) !== 'hello') failures.push(answer);
    }
  }));
  return failures;
}

withProgram('nginx', () => {
  const tls = makeCertificate('localhost');
  const kinds = [['without TLS', undefined], ['over TLS', tls]] as const;
  test.each(kinds)('%s: no call notices that nginx ends each session after fifty', async (_kind, certificate) => {
    const nginx = await startNginx({
      http2: true, server: ['keepalive_requests 50;', 'http2_max_concurrent_streams 8;', 'location / { return 200 "hello"; }'],
      ...(certificate === undefined ? {} : { tls: certificate }),
    });
    onTestFinished(() => nginx.stop());
    const authority = certificate === undefined ? `http://127.0.0.1:${nginx.port}` : `https://localhost:${nginx.port}`;
    const pool = h2PoolOf({ authority, max: 4, acquireTimeoutMs: 60_000, connect: { ca: tls.cert } });
    expect(await manyCalls(pool, 1_000)).toEqual([]);
    expect(pool.stats().totals.created).toBeGreaterThanOrEqual(20);
  });

  test('calls go on by themselves when nginx has been killed and is back', async () => {
    const nginx = await startNginx({ http2: true, server: ['location / { return 200 "hello"; }'] });
    onTestFinished(() => nginx.stop());
    const pool = h2PoolOf({ authority: `http://127.0.0.1:${nginx.port}`, max: 2, acquireTimeoutMs: 60_000 });
    expect(await manyCalls(pool, 50)).toEqual([]);
    await nginx.kill();
    await until('the loss', () => pool.stats(), ({ size }) => size === 0);
    const waiting = manyCalls(pool, 50);
    await until('a failed connect', () => pool.stats().totals.createErrors, (errors) => errors > 0);
    await nginx.start();
    expect(await waiting).toEqual([]);
  });

  test('a frozen nginx is found out by pings, and its calls are told', async () => {
    const nginx = await startNginx({ http2: true, server: ['location / { return 200 "hello"; }'] });
    onTestFinished(() => nginx.stop());
    const pool = h2PoolOf({
      authority: `http://127.0.0.1:${nginx.port}`, max: 1, pingIntervalMs: 20, pingTimeoutMs: 300, acquireTimeoutMs: 60_000,
    });
    expect(await manyCalls(pool, 1)).toEqual([]);
    nginx.pause();
    expect(await failureOf(pool.call({ ':path': '/' }))).toMatchObject({ code: 'ERR_POOL_SESSION_LOST' });
    nginx.resume();
    expect(await manyCalls(pool, 1)).toEqual([]);
  });
});

// ------------------------------------------------------------------------------------------------------------------------- gRPC

/** A message as gRPC frames it: not compressed, its length, itself. */
function framed(message: string): Buffer {
  const bytes = Buffer.from(message);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

async function grpcServer(): Promise<number> {
  const server = new Server({ 'grpc.max_concurrent_streams': 10 });
  const plain = { serialize: (value: string) => Buffer.from(value), deserialize: String };
  const method = (path: string): object => ({
    path, requestStream: false, responseStream: false,
    requestSerialize: plain.serialize, requestDeserialize: plain.deserialize,
    responseSerialize: plain.serialize, responseDeserialize: plain.deserialize,
  });
  server.addService({ greet: method('/test.Greeter/Greet'), fail: method('/test.Greeter/Fail') } as never, {
    greet: (call: ServerUnaryCall<string, string>, done: sendUnaryData<string>) => done(null, `hello ${call.request}`),
    fail: (_call: ServerUnaryCall<string, string>, done: sendUnaryData<string>) =>
      done({ code: status.NOT_FOUND, details: 'nobody there' }),
  });
  onTestFinished(() => server.forceShutdown());
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => error === null ? resolve(port) : reject(error));
  });
}

test('unary calls of gRPC: message, status and deadline, many over few sessions', async () => {
  const port = await grpcServer();
  const pool = h2PoolOf({ authority: `http://127.0.0.1:${port}`, max: 2, acquireTimeoutMs: 60_000 });
  const unary = (name: string, message: string): Promise<H2Answer> => pool.call({
    ':method': 'POST', ':path': `/test.Greeter/${name}`, 'content-type': 'application/grpc+proto', te: 'trailers', 'grpc-timeout': '60S',
  }, framed(message));
  const answers = await Promise.all(Array.from({ length: 100 }, (_, nth) => unary('Greet', `number ${nth}`)));
  answers.forEach(({ body, trailers }, nth) => {
    expect([body.subarray(5).toString(), trailers['grpc-status']]).toEqual([`hello number ${nth}`, '0']);
  });
  const failed = await unary('Fail', 'anybody');
  // Without a message the trailers are the headers.
  expect({ ...failed.headers, ...failed.trailers }).toMatchObject({ 'grpc-status': '5', 'grpc-message': 'nobody%20there' });
  expect(pool.stats().totals.created).toBeLessThanOrEqual(2);
});
