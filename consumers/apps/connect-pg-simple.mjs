import connectPgSimple from 'connect-pg-simple';
import express from 'express';
import session from 'express-session';
import pg from 'pg';
import { ask, gone, same, urlFor } from './lib.mjs';

await ask('DROP TABLE IF EXISTS session');
const pool = new pg.Pool({ connectionString: urlFor('connect-pg-simple'), max: 2 });
const Store = connectPgSimple(session);
const store = new Store({ pool, createTableIfMissing: true, pruneSessionInterval: false });
const app = express();
app.use(session({ store, secret: 'a secret of this test', resave: false, saveUninitialized: true }));
app.get('/', (request, response) => {
  request.session.count = (request.session.count ?? 0) + 1;
  response.send(String(request.session.count));
});
app.get('/leave', (request, response) => {
  request.session.destroy(() => response.send('bye'));
});
const server = await new Promise((resolve) => {
  const listening = app.listen(0, '127.0.0.1', () => resolve(listening));
});
const visit = async (cookie, path = '/') => {
  const response = await fetch(`http://127.0.0.1:${server.address().port}${path}`, cookie === undefined ? {} : { headers: { cookie } });
  return { text: await response.text(), cookie: response.headers.getSetCookie()[0]?.split(';')[0] ?? cookie };
};

const first = await visit();
same('begins a session', first.text, '1');
same('remembers it', (await visit(first.cookie)).text, '2');
const crowd = await Promise.all(Array.from({ length: 30 }, () => visit()));
same('keeps thirty visitors apart on two connections', crowd.every(({ text }) => text === '1') && pool.totalCount <= 2, true);
same('has stored them', (await ask('SELECT count(*)::int AS count FROM session'))[0].count, 31);
same('forgets who leaves', (await visit(first.cookie, '/leave')).text, 'bye');
same('and begins anew', (await visit(first.cookie)).text, '1');
await store.close();
await new Promise((resolve) => server.close(resolve));
server.closeAllConnections();
await pool.end();
await gone('connect-pg-simple');
