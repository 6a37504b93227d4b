/// <reference lib="esnext.disposable" preserve="true" />
// millpond/prometheus: the pools of this process in Prometheus' format, by themselves or in prom-client's registry. Nothing is measured
// before the first call; from then on every pool is, from its first resource on.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { sightOf, livingPools } from '../sight.ts';
import { tallyOf } from '../tally.ts';
import { everyPool, watchPools, type PoolFilter, type Watch } from '../watch.ts';
import { familiesOf, named } from './families.ts';
import { checkedBuckets, type PrometheusOptions } from './options.ts';
import { CONTENT_TYPE, textOf } from './text.ts';

export type { PrometheusOptions } from './options.ts';
export type { PoolFilter } from '../watch.ts';

let watchingAll: Watch | undefined;

/**
 * The pools of this process in the text exposition format 0.0.4, to be sent as `text/plain; version=0.0.4`. Histograms, refusals by error
 * and leaks count from the first call on, so call it once when the program starts, or use {@link metricsHandler}; all other counters count
 * from the making of their pool. Throws {@link InvalidOptionError} for options that are wrong.
 */
export function prometheusText(options: PrometheusOptions = {}): string {
  const bucketsMs = checkedBuckets(options);
  const { pools } = options;
  // A filter may be another function at each call: pools are then measured from the first text on in which they are.
  if (pools === undefined) watchingAll ??= measure(everyPool);
  return textOf(livingPools().filter(pools ?? everyPool), bucketsMs);
}

/**
 * A handler for `node:http`, Express and their likes: `createServer(metricsHandler())`, `app.get('/metrics', metricsHandler())`. Answers
 * GET and HEAD. It tells names and numbers of pools to whoever asks: let only those in who should know them.
 */
export function metricsHandler(options: PrometheusOptions = {}): (request: IncomingMessage, response: ServerResponse) => void {
  const bucketsMs = checkedBuckets(options);
  const watch = measure(options.pools ?? everyPool);
  return ({ method }, response) => {
    if (method === 'GET' || method === 'HEAD') {
      const text = textOf(watch.pools(), bucketsMs);
      response.writeHead(200, { 'Content-Type': CONTENT_TYPE, 'Content-Length': Buffer.byteLength(text) });
      response.end(method === 'GET' ? text : undefined);
    } else {
      response.writeHead(405, { Allow: 'GET, HEAD' }).end();
    }
  };
}

/** What is used of prom-client's `Registry`. */
export interface PromRegistry {
  registerMetric(metric: never): void;
  removeSingleMetric(name: string): void;
}

/**
 * Adds the same families to a registry of prom-client, read whenever it is. Returns what takes them out again. Throws what the registry
 * throws when one of the names is taken.
 */
export function registerWith(registry: PromRegistry, options: PrometheusOptions = {}): () => void {
  const families = familiesOf(checkedBuckets(options));
  const watch = measure(options.pools ?? everyPool);
  const registered: string[] = [];
  const stop = (): void => {
    watch.stop();
    for (const name of registered.splice(0)) registry.removeSingleMetric(name);
  };
  try {
    for (const { name, help, type, read } of families) {
      const metric = {
        // Not fixed: a registry that writes OpenMetrics changes it.
        name, help, type, aggregator: 'sum',
        get: () => {
          const values = named(watch.pools()).flatMap((pool) => read(pool).map(({ name: line, label, text, value }) => {
            const labels = label === undefined ? { pool: pool.name } : { pool: pool.name, [label]: text };
            return line === name ? { labels, value } : { labels, value, metricName: line };
          }));
          return { name: metric.name, help, type, aggregator: 'sum', values };
        },
        // Pools go on counting when a test empties its registry.
        reset: () => undefined,
      };
      registry.registerMetric(metric as never);
      registered.push(name);
    }
  } catch (error) {
    stop();
    throw error;
  }
  return stop;
}

function measure(filter: PoolFilter): Watch {
  return watchPools(filter, (pool) => {
    sightOf(pool);
    tallyOf(pool);
    return () => undefined;
  });
}
