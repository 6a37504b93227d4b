// The pool of pg, and what takes its place, on a real server. What needs none is measured as the engine is.
import { Pool as DropIn } from '@millpond/pg-pool';
import pg from 'pg';
import type { Contender, Opened } from '../exchange/contender.ts';
import { keySequence } from '../postgres/load.ts';
import { isRight, TEXTS } from '../postgres/workload.ts';

export interface PgPlace {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export const CONTENDERS: readonly Contender<PgPlace>[] = [
  {
    id: 'pg-pool', name: 'pg.Pool', about: 'pg and its pg-pool', ours: false,
    lacks: 'does not limit connects at once, closes the connection when a statement fails',
    open: (place, max) => asking(new pg.Pool({ ...place, max })),
  },
  {
    id: 'millpond-pg-pool', name: '@millpond/pg-pool', about: 'the same code, another import', ours: true,
    lacks: 'what pg-pool lacks, unless asked for',
    open: (place, max) => asking(new DropIn({ ...place, max })),
  },
];

interface Asked {
  query(text: string, values: unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
  end(): Promise<void>;
}

function asking(pool: Asked): Opened {
  const nextKey = keySequence();
  return {
    async exchange() {
      const key = nextKey();
      const { rows: [row] } = await pool.query(TEXTS.byKey, [key]);
      if (!isRight('byKey', key, row)) throw new Error(`a wrong answer for ${key}: ${JSON.stringify(row)}`);
    },
    close: () => pool.end(),
  };
}
