// The ways to get a page.
import http from 'node:http';
import https from 'node:https';
import { createDispatcher, HttpAgent, HttpsAgent } from 'millpond/http';
import * as undici from 'undici';
import type { Contender, Opened } from '../exchange/contender.ts';
import { PAGE } from '../../servers/served.ts';

export interface HttpPlace {
  readonly port: number;
  /** The server's certificate; undefined: no TLS. */
  readonly ca?: string;
}

const HOST = '127.0.0.1';
/** In the certificate. */
const NAME = 'localhost';
const FEW = 10;

export const CONTENDERS: readonly Contender<HttpPlace>[] = [
  {
    id: 'connection-per-request', name: 'node:http, no keep-alive', about: 'Agent, keepAlive false', ours: false, callers: FEW,
    lacks: `${FEW} callers instead of all; no limit of its own, each request pays for a connect`,
    // With a limit Node's agent would hand a connection on to a request that waits.
    open: (place) => withNode(place, nodeAgent(place, Infinity, false)),
  },
  {
    id: 'node-agent', name: 'node:http, keep-alive', about: 'Agent, keepAlive true', ours: false,
    lacks: 'no deadline in its queue, no limit of waiters; a request may meet a closed connection',
    open: (place, size) => withNode(place, nodeAgent(place, size, true)),
  },
  {
    id: 'millpond', name: 'node:http, millpond/http', about: 'HttpAgent, HttpsAgent', ours: true, lacks: '',
    open: (place, max) => withNode(place, place.ca === undefined ? new HttpAgent({ max }) : new HttpsAgent({ max })),
  },
  {
    id: 'undici', name: 'undici Pool', about: 'request()', ours: false, lacks: 'no deadline in its queue, no limit of waiters',
    open: withUndici,
  },
  {
    id: 'millpond-undici', name: 'undici request(), millpond/http', about: 'createDispatcher', ours: true, lacks: '',
    open: withDispatcher,
  },
  {
    id: 'fetch', name: 'fetch, undici Agent', about: 'undici\'s fetch', ours: false, lacks: 'no deadline in its queue, no limit of waiters',
    open: (place, connections) => withFetch(place, new undici.Agent({ connections, connect: connectOf(place) })),
  },
  {
    id: 'millpond-fetch', name: 'fetch, millpond/http', about: 'createDispatcher', ours: true, lacks: '',
    open: (place, max) => withFetch(place, createDispatcher({ undici, max, connect: connectOf(place) })),
  },
];

function originOf({ port, ca }: HttpPlace): string {
  return `${ca === undefined ? 'http' : 'https'}://${HOST}:${port}`;
}

function connectOf({ ca }: HttpPlace): { ca?: string; servername?: string } {
  return ca === undefined ? {} : { ca, servername: NAME };
}

function nodeAgent({ ca }: HttpPlace, maxSockets: number, keepAlive: boolean): http.Agent {
  return ca === undefined ? new http.Agent({ keepAlive, maxSockets }) : new https.Agent({ keepAlive, maxSockets });
}

function withNode(place: HttpPlace, agent: http.Agent): Opened {
  const { get } = place.ca === undefined ? http : https;
  const options = { host: HOST, port: place.port, path: '/', agent, ...connectOf(place) };
  return {
    exchange: () => new Promise<void>((resolve, reject) => {
      get(options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; });
        response.once('error', reject).once('end', () => {
          if (text === PAGE) resolve();
          else reject(new Error(`a wrong answer: ${text}`));
        });
      }).once('error', reject);
    }),
    close: () => Promise.resolve(agent.destroy()),
  };
}

function looked(text: string): void {
  if (text !== PAGE) throw new Error(`a wrong answer: ${text}`);
}

function withUndici(place: HttpPlace, connections: number): Opened {
  const pool = new undici.Pool(originOf(place), { connections, connect: connectOf(place) });
  return {
    exchange: async () => looked(await (await pool.request({ path: '/', method: 'GET' })).body.text()),
    close: () => pool.destroy(),
  };
}

function withDispatcher(place: HttpPlace, max: number): Opened {
  const dispatcher = createDispatcher({ undici, max, connect: connectOf(place) });
  const origin = originOf(place);
  return {
    exchange: async () => looked(await (await dispatcher.request({ origin, path: '/', method: 'GET' })).body.text()),
    close: () => dispatcher.destroy(),
  };
}

function withFetch(place: HttpPlace, dispatcher: undici.Dispatcher): Opened {
  const origin = originOf(place);
  return {
    exchange: async () => looked(await (await undici.fetch(origin, { dispatcher })).text()),
    close: () => dispatcher.destroy(),
  };
}
