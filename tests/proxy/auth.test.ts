// Who gets in, and as whom: auth_query, hba, ident maps, the Unix socket's only user.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startBouncer, startPostgres, type Bouncer, type PostgresServer } from './bouncer.ts';

let server: PostgresServer;
let boss: pg.Client;
let files: string;
beforeAll(async () => {
  files = mkdtempSync(join(tmpdir(), 'millpond-auth-'));
  server = await startPostgres();
  boss = new pg.Client({ connectionString: server.connectionString });
  await boss.connect();
  await boss.query("CREATE ROLE alice LOGIN PASSWORD 'first'; CREATE ROLE fixed LOGIN PASSWORD 'of fixed'");
  await boss.query("CREATE ROLE old LOGIN PASSWORD 'was good' VALID UNTIL '1999-01-01'");
  await boss.query("SET password_encryption = md5; CREATE ROLE mdfive LOGIN PASSWORD 'hashed'; RESET password_encryption");
});
afterAll(async () => {
  await boss.end();
  await server.stop();
  rmSync(files, { recursive: true });
});

const at = (): string => `host=${server.host} port=${server.port} dbname=${server.database}`;
const logOf = ({ folder }: Bouncer): string => readFileSync(join(folder, 'log'), 'utf8');

/** Who somebody is at the server. Rejects with the proxy's words. */
async function whoIs(bouncer: Bouncer, options: pg.ClientConfig): Promise<string> {
  const client = bouncer.client(options);
  await client.connect();
  try {
    return (await client.query<{ who: string }>('SELECT current_user AS who')).rows[0]!.who;
  } finally {
    await client.end();
  }
}

describe('auth_query', () => {
  const asking = (...more: string[]): Promise<Bouncer> => startBouncer(server, [`auth_user = ${server.user}`, ...more]);

  it('finds users who are not in auth_file, who log in at the server with what they have shown', async () => {
    await using bouncer = await asking();
    expect(await whoIs(bouncer, { user: 'alice', password: 'first' })).toBe('alice');
    // Its own entry in auth_file counts first.
    expect(await whoIs(bouncer, {})).toBe(server.user);
  });

  it('forgets nothing and remembers nothing: a password that was changed is good from the next login on', async () => {
    await using bouncer = await asking();
    expect(await whoIs(bouncer, { user: 'alice', password: 'first' })).toBe('alice');
    await boss.query("ALTER ROLE alice PASSWORD 'second'");
    try {
      await expect(whoIs(bouncer, { user: 'alice', password: 'first' })).rejects.toMatchObject({ code: '28P01' });
      await bouncer.admin('RECONNECT');
      expect(await whoIs(bouncer, { user: 'alice', password: 'second' })).toBe('alice');
    } finally {
      await boss.query("ALTER ROLE alice PASSWORD 'first'");
    }
  });

  it('tells nobody whether it is the user or the password that is wrong, or whether it has expired', async () => {
    await using bouncer = await asking();
    const said = await Promise.all([['alice', 'wrong'], ['nobody', 'any'], ['old', 'was good']].map(([user, password]) =>
      whoIs(bouncer, { user: user!, password: password! }).catch(({ code, message }: pg.DatabaseError) => ({ code, message }))));
    expect(said).toEqual(Array.from({ length: 3 }, () => ({ code: '28P01', message: 'SASL authentication failed' })));
    expect(logOf(bouncer)).toContain('no such user: nobody');
  });

  it('asks with md5 whoever has an md5 secret, and logs in with it', async () => {
    await using bouncer = await asking('auth_type = md5');
    const hba = (await boss.query<{ file: string }>("SELECT current_setting('hba_file') AS file")).rows[0]!.file;
    const before = readFileSync(hba, 'utf8');
    writeFileSync(hba, `host all mdfive all md5\n${before}`);
    await boss.query('SELECT pg_reload_conf()');
    try {
      await vi.waitFor(async () => expect(await whoIs(bouncer, { user: 'mdfive', password: 'hashed' })).toBe('mdfive'), { timeout: 20_000 });
      await expect(whoIs(bouncer, { user: 'mdfive', password: 'other' })).rejects.toThrow('password authentication failed');
    } finally {
      writeFileSync(hba, before);
      await boss.query('SELECT pg_reload_conf()');
    }
  });

  it.each([
    ['SELECT * FROM nowhere WHERE name = $1', '"nowhere" does not exist'],
    ['SELECT rolname FROM pg_authid WHERE rolname = $1', 'expected 2 columns from auth_query, not 1'],
  ])('says in the log, and not to the client, what is wrong with %s', async (query, words) => {
    await using bouncer = await asking(`auth_query = ${query}`);
    await expect(whoIs(bouncer, { user: 'alice', password: 'first' })).rejects.toThrow('bouncer config error');
    expect(logOf(bouncer)).toContain(words);
    // It was the query: the connection is as good as before.
    expect(await whoIs(bouncer, {})).toBe(server.user);
  });

  it('takes a row of nulls for nobody, as functions give it', async () => {
    await using bouncer = await asking('auth_query = SELECT NULL::text, NULL::text WHERE $1::text IS NOT NULL');
    await expect(whoIs(bouncer, { user: 'alice', password: 'first' })).rejects.toThrow('SASL authentication failed');
  });

  it('runs without what the client wants to be set', async () => {
    await boss.query(`CREATE OR REPLACE FUNCTION lookup(name text) RETURNS TABLE (a text, b text) LANGUAGE plpgsql AS $$ BEGIN
      IF current_setting('search_path') LIKE '%evil%' THEN RAISE EXCEPTION 'evil is set'; END IF;
      RETURN QUERY SELECT rolname::text, rolpassword FROM pg_authid WHERE rolname = name; END $$`);
    await using bouncer = await asking('auth_query = SELECT * FROM public.lookup($1)', 'track_extra_parameters = search_path');
    const client = bouncer.client({ user: 'alice', password: 'first', options: '-c search_path=evil' });
    await client.connect();
    await client.end();
  });

  it('is asked once for logins of one user at the same time', async () => {
    await boss.query(`CREATE TABLE asked (name text); CREATE OR REPLACE FUNCTION slow(name text) RETURNS TABLE (a text, b text)
      LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO asked VALUES (name); PERFORM pg_advisory_xact_lock(77);
      RETURN QUERY SELECT rolname::text, rolpassword FROM pg_authid WHERE rolname = name; END $$`);
    await boss.query('SELECT pg_advisory_lock(77)');
    await using bouncer = await asking('auth_query = SELECT * FROM slow($1)');
    const logins = Array.from({ length: 5 }, () => whoIs(bouncer, { user: 'alice', password: 'first' }));
    await vi.waitFor(() => expect(logOf(bouncer).match(/login attempt: db=main user=alice/g)).toHaveLength(5), { timeout: 20_000 });
    await boss.query('SELECT pg_advisory_unlock(77)');
    expect(await Promise.all(logins)).toEqual(Array.from({ length: 5 }, () => 'alice'));
    expect((await boss.query('SELECT * FROM asked')).rowCount).toBe(1);
  });

  it('goes to auth_dbname, also for a database whose user is fixed, and says when it cannot', async () => {
    const databases = [
      `main = ${at()} user=fixed password='of fixed' auth_dbname=users`, `users = ${at()}`, `lost = ${at()} auth_dbname=nowhere`,
      `self = ${at()} auth_dbname=pgbouncer`, `off = ${at()} auth_dbname=closed`, `closed = ${at()}`,
    ];
    await using bouncer = await startBouncer(server, [`auth_user = ${server.user}`], databases);
    expect(await whoIs(bouncer, { user: 'alice', password: 'first' })).toBe('fixed');
    await bouncer.admin('DISABLE closed');
    const alice = { user: 'alice', password: 'first' };
    await expect(whoIs(bouncer, { ...alice, database: 'off' })).rejects.toThrow('authentication database "closed" is disabled');
    await expect(whoIs(bouncer, { ...alice, database: 'lost' })).rejects.toThrow('bouncer config error');
    await expect(whoIs(bouncer, { ...alice, database: 'self' })).rejects.toThrow('bouncer config error');
    expect(logOf(bouncer)).toContain('authentication database "nowhere" is not configured');
    expect(logOf(bouncer)).toContain('cannot use the reserved "pgbouncer" database as an auth_dbname');
  });

  it('runs as auth_user where the database makes another user of its clients', async () => {
    await using bouncer = await startBouncer(server, [], [`main = ${at()} user=fixed password='of fixed' auth_user=${server.user}`]);
    expect(await whoIs(bouncer, { user: 'alice', password: 'first' })).toBe('fixed');
  });
});

describe('auth_type = hba', () => {
  const rules = (...lines: string[]): string => {
    const file = join(files, `hba-${Math.random()}`);
    writeFileSync(file, `${lines.join('\n')}\n`);
    return file;
  };

  it('does with each client what the first line says that covers it', async () => {
    const file = rules(
      'host main fixed 127.0.0.0/8 trust', 'host main alice 127.0.0.1/32 reject', 'host all mdfive all magic', 'host main all all scram-sha-256',
    );
    await using bouncer = await startBouncer(server, ['auth_type = hba', `auth_hba_file = ${file}`, `auth_user = ${server.user}`]);
    expect(logOf(bouncer)).toContain(`${file}:3: unknown method: magic; the line is left out`);
    await expect(whoIs(bouncer, { user: 'alice', password: 'first' })).rejects.toThrow('login rejected');
    await expect(whoIs(bouncer, { password: 'wrong' })).rejects.toThrow('SASL authentication failed');
    expect(await whoIs(bouncer, {})).toBe(server.user);
    await expect(whoIs(bouncer, { database: 'other' })).rejects.toThrow('no authentication method is found');
    // Another line is read with the next RELOAD.
    writeFileSync(file, 'host main alice all scram-sha-256\nhost pgbouncer all all scram-sha-256\n');
    expect(bouncer.proxy.reload()).toBe(true);
    expect(await whoIs(bouncer, { user: 'alice', password: 'first' })).toBe('alice');
    await expect(whoIs(bouncer, {})).rejects.toThrow('no authentication method is found');
  });

  it('lets nobody in when the file is not there', async () => {
    await using bouncer = await startBouncer(server, ['auth_type = hba', `auth_hba_file = ${join(files, 'nowhere')}`]);
    await expect(whoIs(bouncer, {})).rejects.toThrow('no authentication method is found');
    expect(logOf(bouncer)).toContain('could not open hba config file');
  });

  it('knows by the folder of the Unix socket who is at its other end, and by the ident map as whom they may log in', async () => {
    const ident = join(files, 'ident');
    writeFileSync(ident, `me ${userInfo().username} ${server.user}\nothers somebody fixed\n`);
    const file = rules('local main all peer map=me', 'local pgbouncer all reject', 'host all all all scram-sha-256');
    await using bouncer = await startBouncer(server, ['auth_type = hba', `auth_hba_file = ${file}`, `auth_ident_file = ${ident}`]);
    const local = { host: bouncer.folder, password: '' };
    expect(await whoIs(bouncer, local)).toBe(server.user);
    await expect(whoIs(bouncer, { ...local, user: 'fixed' })).rejects.toThrow('unix socket login rejected');
    expect(logOf(bouncer)).toContain('ident map me cannot be matched');
  });
});

it('lets whoever runs it into the console over the Unix socket, as long as nobody else can reach that', async () => {
  await using bouncer = await startBouncer(server, ['unix_socket_mode = 0777', 'admin_users = nobody']);
  const client = bouncer.client({ host: bouncer.folder, user: 'pgbouncer', password: '', database: 'pgbouncer' });
  await client.connect();
  expect((await client.query('SHOW VERSION')).rows).toHaveLength(1);
  await client.end();
  // Over TCP it is nobody special.
  const distant = bouncer.client({ user: 'pgbouncer', password: '', database: 'pgbouncer' });
  await expect(distant.connect()).rejects.toThrow('not allowed');
});

it.each(['trust', 'plain', 'md5', 'scram-sha-256'])('lets in with auth_type = %s whoever is in auth_file, and nobody else', async (type) => {
  await using bouncer = await startBouncer(server, [`auth_type = ${type}`]);
  expect(await whoIs(bouncer, {})).toBe(server.user);
  await expect(whoIs(bouncer, { user: 'nobody' })).rejects.toThrow(type === 'trust' ? '"trust" authentication failed' : 'authentication failed');
  if (type !== 'trust') await expect(whoIs(bouncer, { password: 'wrong' })).rejects.toMatchObject({ code: '28P01' });
});

it('lets anybody in with auth_type = any, as the user that the database names, and into the console only whoever is named', async () => {
  const databases = [`main = ${at()} user=fixed password='of fixed'`, `open = ${at()}`];
  await using bouncer = await startBouncer(server, ['auth_type = any'], databases);
  expect(await whoIs(bouncer, { user: 'anybody', password: '' })).toBe('fixed');
  await expect(whoIs(bouncer, { user: 'anybody', password: '', database: 'open' })).rejects.toThrow('bouncer config error');
  await expect(bouncer.client({ user: 'anybody', database: 'pgbouncer' }).connect()).rejects.toThrow('not allowed');
});

it('tells at once when what is known of a password is not what the server asks for', async () => {
  await using bouncer = await startBouncer(server, ['auth_type = trust'], [`main = ${at()} user=fixed`]);
  await expect(whoIs(bouncer, {})).rejects.toThrow('server login failed: no password known');
  expect(logOf(bouncer)).toContain('cannot do SCRAM authentication: no password known');
});
