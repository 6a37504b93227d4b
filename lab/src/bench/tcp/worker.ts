// The child processes of the chapter: one is the server, the others are a contender each, as the command line says.
import type { Certificate } from '../../servers/certificate.ts';
import { serve } from '../harness/station.ts';
import { contenderOf, type Opened, type Place } from './contenders.ts';
import { startLineServer } from './line.ts';
import { load, type LoadOptions } from './load.ts';

export type ServerOrder = { readonly do: 'listen'; readonly certificate: Certificate | undefined } | { readonly do: 'cpu' };
export type Order =
  | { readonly do: 'open'; readonly id: string; readonly place: Place; readonly size: number }
  | { readonly do: 'load'; readonly options: LoadOptions };

let opened: Opened | undefined;

async function asServer(order: ServerOrder): Promise<number> {
  if (order.do === 'listen') return (await startLineServer(order.certificate)).port;
  const { user, system } = process.cpuUsage();
  return user + system;
}

function asContender(order: Order): unknown {
  if (order.do === 'load') {
    if (opened === undefined) throw new Error('Nothing is open.');
    return load(() => opened!.exchange(), order.options);
  }
  opened = contenderOf(order.id).open(order.place, order.size);
  return undefined;
}

if (process.argv[2] === 'server') serve(asServer);
else serve(asContender);
