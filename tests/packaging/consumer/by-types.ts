// What a user with TypeScript writes, compiled against the packed declarations with `skipLibCheck: false`, without the driver's types and
// without `esnext.disposable` in `lib`: the package has to bring what its declarations need.
import { AcquireTimeoutError, Pool, type Factory, type Lease, type PoolStats } from 'millpond';
import { createMysqlPool } from 'millpond/mysql';
import { createPgPool } from 'millpond/pg';
import { createTcpPool } from 'millpond/tcp';
import { VirtualClock } from 'millpond/testing';

interface Socket {
  readonly port: number;
}
const factory: Factory<Socket> = { create: async () => ({ port: 1 }), destroy: () => {} };

export async function visit(pool: Pool<Socket>): Promise<number> {
  const lease: Lease<Socket> = await pool.acquire({ timeoutMs: 10 });
  try {
    return lease.resource.port;
  } catch (error) {
    if (error instanceof AcquireTimeoutError) return error.waitedMs;
    throw error;
  } finally {
    lease[Symbol.dispose]();
  }
}

export const pool: Pool<Socket> = new Pool({ factory, clock: new VirtualClock() });
export const stats: PoolStats = pool.stats();
export const open: typeof createPgPool = createPgPool;
export const secure: boolean = createTcpPool({ port: 443, tls: true }).use((socket) => socket.authorized) instanceof Promise;
export const openMysql: typeof createMysqlPool = createMysqlPool;

// @ts-expect-error A misspelt option is an error of the compiler before it is one at run time.
export const misspelt: Pool<Socket> = new Pool({ factory, maximum: 3 });
