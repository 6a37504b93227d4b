// What the documentation says of events is compared with what is really published: every field, and its type.

import { readFileSync } from 'node:fs';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, expect, it } from 'vitest';
import { POOL_EVENTS } from '../../packages/millpond/src/events.ts';
import { open, shut, shutAll } from '../unit/sight/stage.ts';

afterEach(shutAll);

const page = readFileSync(new URL('../../docs/reference/events.md', import.meta.url), 'utf8');
const ends: (() => unknown)[] = [];

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

interface Field {
  readonly type: string;
  readonly optional: boolean;
}

/** Of the section of an event. */
function fieldsOf(event: string): Map<string, Field> {
  const section = page.split(`\n## \`${event}\`\n`)[1]?.split('\n## ')[0] ?? '';
  const rows = [...section.matchAll(/^\| (`[^|]+) \| ([^|]+) \|/gm)];
  return new Map(rows.flatMap(([, names, type]) => [...names!.matchAll(/`(\w+)`/g)].map(([, name]): [string, Field] =>
    [name!, { type: type!.replace(', optional', ''), optional: type!.endsWith('optional') }])));
}

/** The same from the table of channels: `name` or `name (optional)`. */
function channelFields(event: string): string[] {
  const row = page.split('\n').find((line) => line.startsWith(`| \`millpond:${event}\` |`)) ?? '';
  return [...row.split('|')[2]!.matchAll(/`(\w+)`( \(optional\))?/g)].map(([, name, optional]) => `${name}${optional ?? ''}`);
}

function isOf(value: unknown, type: string): boolean {
  switch (type.replaceAll('`', '').replace(/^\[(\w+)\].*/, '$1')) {
    case 'number': return typeof value === 'number' && value >= 0;
    case 'number or undefined': return value === undefined || typeof value === 'number';
    case 'string': case 'DestroyReason': case 'PoolState': return typeof value === 'string' && value !== '';
    case 'ResourceInfo':
      return ['ageMs', 'generation', 'id', 'idleMs', 'uses'].every((key) => typeof Reflect.get(value as object, key) === 'number');
    case 'Lease<T>': case 'T': return typeof value === 'object' && value !== null;
    case 'unknown': return value !== undefined;
    default: throw new Error(`the test does not know the type ${type}`);
  }
}

/** What goes over every channel while pools live through everything. */
async function everything(): Promise<Map<string, Record<string, unknown>[]>> {
  const told = new Map<string, Record<string, unknown>[]>(POOL_EVENTS.map((event) => [event, []]));
  for (const event of POOL_EVENTS) {
    const hear = (message: unknown): void => void told.get(event)!.push(message as Record<string, unknown>);
    subscribe(`millpond:${event}`, hear);
    ends.push(() => unsubscribe(`millpond:${event}`, hear));
  }
  const actor = open('orders', { max: 2, leakThresholdMs: 50, captureStacks: true, createRetry: { initialDelayMs: 10, jitter: 0 } });
  const { clock, factory, pool } = actor;
  factory.script.create.behaviour = { rejects: new Error('refused') };
  const acquired = [pool.acquire({ label: 'GET /orders' }), pool.acquire()];
  await clock.advance(0);
  factory.script.create.behaviour = 'ok';
  await clock.advance(200);
  const [labelled, plain] = await Promise.all(acquired);
  const failing = pool.acquire({ timeoutMs: 10 }).catch(() => undefined);
  await clock.advance(60);
  await failing;
  pool.captureStacks(0);
  labelled!.release();
  labelled!.release();
  const bare = await pool.acquire();
  await clock.advance(60);
  plain!.destroy(new Error('garbled'));
  plain!.release();
  bare.release();
  await clock.advance(0);
  await shut(actor);
  return told;
}

it('documents the fields of every event as they come over its channel', async () => {
  const told = await everything();
  for (const event of POOL_EVENTS) {
    const messages = told.get(event)!;
    const fields = fieldsOf(event);
    expect(messages.length, `${event} was not published`).toBeGreaterThan(0);
    expect(channelFields(event), event).toEqual([...fields].map(([name, { optional }]) => optional ? `${name} (optional)` : name));
    for (const { pool, ...message } of messages) {
      expect(pool).toBe('orders');
      for (const [name, value] of Object.entries(message)) {
        const type = fields.get(name)?.type ?? 'not documented';
        expect(isOf(value, type), `${event}.${name} is ${String(value)}, documented as ${type}`).toBe(true);
      }
      for (const [name, { optional }] of fields) if (!optional) expect(message, event).toHaveProperty(name);
    }
    for (const [name, { optional }] of fields) {
      if (!optional) continue;
      expect(messages.some((message) => name in message), `${event} was never published with ${name}`).toBe(true);
      expect(messages.some((message) => !(name in message)), `${event} was never published without ${name}`).toBe(true);
    }
  }
});
