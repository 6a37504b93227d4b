// What a user with TypeScript writes.
import { createProxy, type EmbeddedProxy, type Hooks, type ProxyEvent } from '@millpond/proxy';

const hooks: Hooks = {
  authenticate: async ({ user, password }) => (password === undefined ? { secret: user } : undefined),
  route: ({ applicationName, database }) => (applicationName === 'reports' ? 'replica' : database),
  observe: (event: ProxyEvent) => {
    if (event.type === 'query') void event.durationMs.toFixed(1);
  },
};

export async function start(): Promise<number> {
  const proxy: EmbeddedProxy = await createProxy({
    databases: { main: { host: '127.0.0.1', pool_size: 5 }, replica: 'host=127.0.0.2' },
    settings: { pool_mode: 'transaction', query_timeout: 5, log_connections: false, admin_users: ['me'] }, hooks,
  });
  const { pools } = proxy.stats();
  proxy.reload({ settings: { query_timeout: 10 } });
  await proxy.close({ wait: 'clients' });
  return pools.length + (proxy.port ?? 0);
}

// @ts-expect-error There is no such setting.
export const wrong = createProxy({ settings: { pol_mode: 'transaction' } });
