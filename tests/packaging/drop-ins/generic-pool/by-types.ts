// What a user with TypeScript writes, as with generic-pool's own declarations.
import { createPool, type Factory, type Options, type Pool } from 'generic-pool';

interface Line { send(text: string): Promise<string> }
declare function open(): Promise<Line>;

const factory: Factory<Line> = { create: open, destroy: async () => undefined, validate: async () => true };
const options: Options = { max: 4, testOnBorrow: true, priorityRange: 2, millpond: { endDeadlineMs: 1_000 } };
export const pool: Pool<Line> = createPool(factory, options);

export function ask(text: string): Promise<string> {
  return pool.use((line) => line.send(text), 1);
}
pool.on('factoryCreateError', (error: Error) => void error.message);
export const numbers: number[] = [pool.size, pool.available, pool.borrowed, pool.pending, pool.spareResourceCapacity, pool.max, pool.min];

// @ts-expect-error A number, not a text.
export const wrong = createPool(factory, { max: '4' });
