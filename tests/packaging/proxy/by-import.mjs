// What a user with ES modules writes. There is no server here: what the proxy says by itself is enough to see that it is there.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { ConfigError, createProxy, loadConfig } from '@millpond/proxy';

assert.deepEqual(loadConfig('pgbouncer.ini').problems, []);
await assert.rejects(createProxy({ settings: { pool_mode: 'none' } }), ConfigError);
const seen = [];
const proxy = await createProxy({
  databases: { main: { host: '127.0.0.1', port: 5432, user: 'app' } }, settings: { auth_type: 'any' },
  hooks: { observe: ({ type }) => seen.push(type) },
});
const socket = connect(proxy.port, '127.0.0.1');
const startup = Buffer.concat([Buffer.alloc(8), Buffer.from('user\0app\0database\0nowhere\0\0')]);
startup.writeInt32BE(startup.length, 0);
startup.writeInt32BE(3 << 16, 4);
socket.write(startup);
let told = '';
socket.on('data', (chunk) => { told += chunk; });
await once(socket, 'close');
assert.match(told, /no such database: nowhere/);
assert.deepEqual(seen.slice(0, 2), ['clientConnected', 'error']);
assert.equal(proxy.stats().pools[0].database, 'pgbouncer');
await proxy.close();
console.log('import: ok');
