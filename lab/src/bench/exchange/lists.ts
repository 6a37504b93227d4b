// The lists of contenders by the chapter that they are of, as a worker finds them. Nothing is loaded but the list that is asked for.
import type { Contender } from './contender.ts';

const LISTS = {
  'drop-ins': async () => (await import('../drop-ins/contenders.ts')).CONTENDERS,
  http: async () => (await import('../http/contenders.ts')).CONTENDERS,
  mysql: async () => (await import('../mysql/contenders.ts')).CONTENDERS,
  redis: async () => (await import('../redis/contenders.ts')).CONTENDERS,
} satisfies Record<string, () => Promise<readonly Contender<never>[]>>;

export type ListName = keyof typeof LISTS;

export async function listOf(name: string): Promise<readonly Contender<never>[]> {
  const load = LISTS[name as ListName] as (typeof LISTS)[ListName] | undefined;
  if (load === undefined) throw new Error(`no list is called "${name}"`);
  return load();
}
