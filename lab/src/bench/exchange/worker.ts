// One contender in a process of its own: `worker.js <list> <contender>`.
import { serve } from '../harness/station.ts';
import { load, type LoadOptions } from '../tcp/load.ts';
import { contenderOf, type Opened } from './contender.ts';
import { listOf } from './lists.ts';

export type Order =
  | { readonly do: 'open'; readonly place: unknown; readonly size: number }
  | { readonly do: 'load'; readonly options: LoadOptions };

const [, , list = '', id = ''] = process.argv;
let opened: Opened | undefined;

serve(async (order: Order): Promise<unknown> => {
  if (order.do === 'open') {
    const contender = contenderOf(await listOf(list), id);
    opened = await contender.open(order.place as never, order.size);
    return undefined;
  }
  const { exchange } = opened ?? { exchange: () => Promise.reject(new Error('Nothing is open.')) };
  return load(async () => { await exchange(); }, order.options);
});
