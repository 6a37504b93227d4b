// Forty commands over two SSH connections, up to four at once on each; then a wrong password, which is not tried twice.
import { Pool } from 'millpond';
import { run, sshFactory } from './factory.ts';
import { SshServer } from './server.ts';

const server = new SshServer();
await server.listen();
const login = { host: '127.0.0.1', port: server.port, username: 'app' };

const pool = new Pool({ name: 'ssh', min: 2, max: 2, sharing: 4, factory: sshFactory({ ...login, password: 'secret' }) });
await pool.ready();
const outputs = await Promise.all(Array.from({ length: 40 }, (_, index) => pool.use((client) => run(client, `echo ${index}`))));
console.log('commands:', outputs.length, 'connections:', pool.stats().totals.created);
console.log('all right:', outputs.every((output, index) => output === `${index}\n`));
await pool.close();

const denied = new Pool({ name: 'denied', factory: sshFactory({ ...login, password: 'wrong' }) });
await denied.acquire().catch((error: unknown) => console.log((error as Error).message.split('. ')[0]));
console.log('attempts:', denied.stats().totals.createErrors);
await denied.close();
server.close();
