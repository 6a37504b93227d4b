// What one does without a pool: a connection for each request, or one for everybody.
import pg from 'pg';
import { asksOf } from '../workload.ts';
import type { Contender, Opened, Place } from './contender.ts';

const AT_ONCE = 20;

export const connectionEach: Contender = {
  id: 'each',
  name: 'a connection per request',
  about: `pg.Client: connect, query, end; ${AT_ONCE} callers at once, so that the server never has to refuse`,
  lacks: `${AT_ONCE} callers instead of all; no deadline, no limit of its own`,
  ours: false,
  size: AT_ONCE,
  callers: AT_ONCE,
  open: (place) => Promise.resolve({
    asks: asksOf(async (text, values) => {
      const client = new pg.Client({ ...place });
      client.on('error', () => undefined);
      await client.connect();
      try {
        return await client.query(text, values);
      } finally {
        await client.end();
      }
    }),
    close: () => Promise.resolve(),
  }),
};

export const sharedClient: Contender = {
  id: 'shared',
  name: 'one shared client',
  about: 'pg.Client, everybody asks on it',
  lacks: 'prepares nothing, pipelines nothing; no transactions side by side, no reconnect, no deadline; a slow statement holds up all',
  ours: false,
  size: 1,
  open: (place) => openClient(place, false),
};

export const pipelinedClient: Contender = {
  id: 'shared-pipeline',
  name: 'one shared client, pipeline',
  about: 'pg.Client with pipeline: true, everybody asks on it',
  lacks: 'prepares nothing; no transactions side by side, no reconnect, no deadline; a slow statement holds up all',
  ours: false,
  size: 1,
  open: (place) => openClient(place, true),
};

async function openClient(place: Place, pipeline: boolean): Promise<Opened> {
  // `pipeline` is newer than the types.
  const options: pg.ClientConfig & { pipeline: boolean } = { ...place, pipeline };
  const client = new pg.Client(options);
  client.on('error', () => undefined); // the statements under way are told
  await client.connect();
  return { asks: asksOf((text, values) => client.query(text, values)), close: () => client.end() };
}
