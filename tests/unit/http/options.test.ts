// The options of the agents.

import { inspect } from 'node:util';
import { HttpAgent, HttpsAgent, type HttpsAgentOptions } from 'millpond/http';
import { expect, test } from 'vitest';

const refusal = (make: () => unknown): { readonly code?: string; readonly option?: string; readonly message: string } => {
  try {
    make();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it was taken');
};

test.each([
  [{ maxSockets: 10 }, 'maxSockets', 'max'],
  [{ maxTotalSockets: 10 }, 'maxTotalSockets', 'maxTotal'],
  [{ keepAlive: true }, 'keepAlive', 'always'],
  [{ keepAliveMsecs: 10 }, 'keepAliveMsecs', 'keepAliveInitialDelay'],
  [{ freeSocketTimeout: 10 }, 'freeSocketTimeout', 'keepAliveTimeoutMs'],
  [{ scheduling: 'lifo' }, 'scheduling', 'idleOrder'],
  [{ host: 'example.com' }, 'host', 'each request'],
  [{ sharing: 2 }, 'sharing', 'one request at a time'],
  [{ idleTimoutMs: 10 }, 'idleTimoutMs', 'idleTimeoutMs'],
  [{ ca: 'x' }, 'ca', 'known are|did you mean'],
  [{ min: 3, max: 2 }, 'min', 'max'],
  [{ max: 0 }, 'max', ''],
  [{ keepAliveTimeoutMs: -1 }, 'keepAliveTimeoutMs', 'at least 0'],
  [{ keepAliveMarginMs: NaN }, 'keepAliveMarginMs', 'at least 0'],
  [{ retry: 1 }, 'retry', 'true or false'],
  [{ timeout: -1 }, 'timeout', 'milliseconds'],
] as const)('%j is refused, and what to say instead is told', (options, option, hint) => {
  const error = refusal(() => new HttpAgent(options as never));
  expect(error).toMatchObject({ code: 'ERR_POOL_INVALID_OPTION', option });
  expect(error.message).toMatch(new RegExp(hint));
});

test('what is no object is refused', () => {
  for (const options of [null, 5, 'http://example.com']) {
    expect(refusal(() => new HttpAgent(options as never))).toMatchObject({ code: 'ERR_POOL_INVALID_OPTION', option: 'options' });
  }
});

test('no message shows the value of an option', () => {
  const error = refusal(() => new HttpsAgent({ keyy: 'PRIVATE KEY' } as HttpsAgentOptions));
  expect(error).toMatchObject({ option: 'keyy' });
  expect(inspect(error, { depth: 9 })).not.toContain('PRIVATE KEY');
});

test('the options of net and tls stand in agent.options, where others look for them', () => {
  const agent = new HttpsAgent({ ca: 'pem', servername: 'example.com', family: 4, maxCachedSessions: 5, keepAliveInitialDelay: 30_000 });
  expect(agent.options).toMatchObject({ ca: 'pem', servername: 'example.com', family: 4, keepAlive: true, keepAliveInitialDelay: 30_000 });
  expect((agent as unknown as { readonly maxCachedSessions: number }).maxCachedSessions).toBe(5);
});
