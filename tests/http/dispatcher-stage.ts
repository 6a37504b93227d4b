// Dispatchers for tests, and what is asked of them again and again.

import { createDispatcher, type DispatcherOptions, type HttpDispatcher, type HttpOriginStats } from 'millpond/http';
import * as undici from 'undici';
import { onTestFinished } from 'vitest';

export type TestDispatcher = undici.Dispatcher & HttpDispatcher;

/** Ends with the test. */
export function dispatcherOf(options: Omit<DispatcherOptions<undici.Dispatcher>, 'undici'> = {}): TestDispatcher {
  const dispatcher = createDispatcher({ undici, ...options });
  onTestFinished(() => dispatcher.destroy());
  return dispatcher;
}

/** The body of a GET. */
export async function get(
  dispatcher: undici.Dispatcher, url: string, options: Partial<undici.Dispatcher.RequestOptions> = {},
): Promise<string> {
  const { body } = await undici.request(url, { ...options, dispatcher });
  return body.text();
}

/** Of the only origin, or the one that is named. */
export function statsOf(dispatcher: HttpDispatcher, origin?: string): HttpOriginStats {
  const { stats } = dispatcher;
  const found = origin === undefined ? Object.values(stats)[0] : stats[origin];
  if (found === undefined) throw new Error(`no such origin among ${Object.keys(stats).join(', ')}`);
  return found;
}
