// The drop-ins, opened by the very code that opens the originals.
import { createPool } from '@millpond/generic-pool';
import { Pool as PgPool } from '@millpond/pg-pool';
import { Pool as SequelizePool } from '@millpond/sequelize-pool';
import { Pool as TarnPool } from '@millpond/tarn';
import type { Open } from '../subject.ts';
import { openWith as openGenericPool } from './generic-pool.ts';
import { openWith as openPgPool } from './pg-pool.ts';
import { openWith as openSequelizePool } from './sequelize-pool.ts';
import { openWith as openTarn } from './tarn.ts';

// Their types are their own; what is called here is what the originals have.
export const genericPool: Open = (setup, source) => openGenericPool(createPool, setup, source);
export const pgPool: Open = (setup, source) => openPgPool(PgPool as never, setup, source);
export const sequelizePool: Open = (setup, source) => openSequelizePool(SequelizePool as never, setup, source);
export const tarn: Open = (setup, source) => openTarn(TarnPool as never, setup, source);
