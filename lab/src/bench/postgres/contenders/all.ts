// Everybody, in the order of the tables.
import type { Contender } from './contender.ts';
import { both, bothUnix, pipelined, plain, plainUnix, prepared, wide } from './millpond.ts';
import { genericPool, knexRaw, pgPool, pgPool100, pgPoolNamed, tarn } from './pools-on-pg.ts';
import { postgresJs, postgresJsUnix } from './postgres-js.ts';
import { connectionEach, pipelinedClient, sharedClient } from './without-pool.ts';

export const CONTENDERS: readonly Contender[] = [
  connectionEach, sharedClient, pipelinedClient,
  pgPool, pgPool100, pgPoolNamed, tarn, genericPool, knexRaw,
  postgresJs, plain, prepared, pipelined, both,
  postgresJsUnix, plainUnix, bothUnix,
  wide,
];

export function contenderOf(id: string): Contender {
  const found = CONTENDERS.find((contender) => contender.id === id);
  if (found === undefined) throw new Error(`There is no contender ${id}.`);
  return found;
}
