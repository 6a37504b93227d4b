// TLS on both sides: modes, certificates, direct TLS, files that change.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { makeCertificate } from '@millpond/lab/certificate';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startup } from '../../packages/proxy/src/wire/pg/write.ts';
import { startBouncer, startPostgres, type Bouncer, type PostgresServer } from './bouncer.ts';
import { WireClient } from './support/wire-client.ts';

let folder: string;
let server: PostgresServer;
const [ours, others] = [makeCertificate('localhost'), makeCertificate('localhost')];
const [alice, stranger] = [makeCertificate('alice of the office'), makeCertificate('alice of the office')];

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millpond-tls-'));
  // Whoever has TLS gets in from one address, and whoever has none from the other.
  server = await startPostgres({
    tls: ours,
    hba: [
      'local all all trust', 'hostssl all all 127.0.0.1/32 trust', 'hostnossl all plain 127.0.0.1/32 trust', 'host all all ::1/128 trust',
    ],
  });
  const boss = new pg.Client({ host: server.socketFolder, port: server.port, user: server.user, database: server.database });
  await boss.connect();
  await boss.query('CREATE ROLE alice LOGIN; CREATE ROLE plain LOGIN');
  await boss.end();
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const secured = (mode: string, certificate = ours): string[] => [
  `client_tls_sslmode = ${mode}`, `client_tls_cert_file = ${file('server.crt', certificate.cert)}`,
  `client_tls_key_file = ${file('server.key', certificate.key)}`, `client_tls_ca_file = ${file('clients.crt', alice.cert)}`,
];

async function greeted(bouncer: Bouncer, options: pg.ClientConfig): Promise<boolean> {
  const client = bouncer.client(options);
  await client.connect();
  const { rows: [row] } = await client.query<{ ssl: boolean }>('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
  await client.end();
  return row!.ssl;
}

const trusting = { ca: ours.cert, servername: 'localhost' };

describe('towards clients', () => {
  it.each([
    { mode: 'disable', plain: true, tls: false, unknown: false }, { mode: 'allow', plain: true, tls: true, unknown: true },
    { mode: 'prefer', plain: true, tls: true, unknown: true }, { mode: 'require', plain: false, tls: true, unknown: true },
    { mode: 'verify-ca', plain: false, tls: true, unknown: false }, { mode: 'verify-full', plain: false, tls: true, unknown: false },
  ])('takes with client_tls_sslmode = $mode whom it says', async ({ mode, plain, tls, unknown }) => {
    await using bouncer = await startBouncer(server, [...secured(mode), 'auth_type = trust']);
    const comes = (ssl: pg.ClientConfig['ssl']): Promise<boolean> => greeted(bouncer, { ssl: ssl ?? false }).then(() => true, () => false);
    expect(await comes(false)).toBe(plain);
    expect(await comes({ ...trusting, ...alice })).toBe(tls);
    expect(await comes({ ...trusting, ...stranger })).toBe(unknown);
    expect(await comes(trusting)).toBe(unknown);
  });

  it('knows by the ident map as whom somebody with a certificate may log in, and nobody by one that it does not trust', async () => {
    const hba = file('hba', 'hostssl main all all cert map=office\n');
    const ident = file('ident', 'office "alice of the office" alice\n');
    const users = file('users', '"alice" ""\n"plain" ""\n');
    await using bouncer = await startBouncer(server, [
      ...secured('require'), 'auth_type = hba', `auth_hba_file = ${hba}`, `auth_ident_file = ${ident}`, `auth_file = ${users}`,
    ]);
    await greeted(bouncer, { user: 'alice', ssl: { ...trusting, ...alice } });
    for (const options of [
      { user: 'plain', ssl: { ...trusting, ...alice } }, { user: 'alice', ssl: { ...trusting, ...stranger } },
      { user: 'alice', ssl: trusting },
    ]) await expect(greeted(bouncer, options)).rejects.toThrow('certificate authentication failed');
  });

  it('uses other files from the next RELOAD on, and the ones that it has when they do not fit each other', async () => {
    const settings = [...secured('require'), 'auth_type = trust'];
    await using bouncer = await startBouncer(server, settings);
    await greeted(bouncer, { ssl: trusting });
    file('server.key', others.key);
    bouncer.proxy.reload();
    await greeted(bouncer, { ssl: trusting });
    file('server.crt', others.cert);
    bouncer.proxy.reload();
    await expect(greeted(bouncer, { ssl: trusting })).rejects.toThrow('self-signed certificate');
    await greeted(bouncer, { ssl: { ...trusting, ca: others.cert } });
    expect(bouncer.rewrite(['client_tls_sslmode = disable', 'auth_type = trust'])).toBe(true);
    await greeted(bouncer, { ssl: false });
  });

  const begun = (bouncer: Bouncer, protocols: string[]): Promise<TLSSocket> => new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port: bouncer.port, ...trusting, ALPNProtocols: protocols });
    socket.once('secureConnect', () => resolve(socket)).once('error', reject);
  });

  it('takes TLS without being asked before, from whoever says that it is for PostgreSQL', async () => {
    await using bouncer = await startBouncer(server, [...secured('require'), 'auth_type = trust']);
    const client = new WireClient(await begun(bouncer, ['postgresql']));
    client.socket.write(startup(new Map([['user', server.user], ['database', 'main']])));
    await client.until(() => client.count(0x5a) === 1);
    client.vanish();
    await expect(begun(bouncer, ['http/1.1'])).rejects.toThrow();
    const nameless = new WireClient(await begun(bouncer, []));
    await expect(nameless.until(() => client.count(0x5a) === 2)).rejects.toThrow(/closed/);
  });

  it('ends who sends something in plain behind the request for TLS, which would count as encrypted', async () => {
    await using bouncer = await startBouncer(server, [...secured('prefer'), 'auth_type = trust']);
    const socket = connectPlain(bouncer.port, '127.0.0.1');
    const came: Buffer[] = [];
    socket.on('data', (bytes: Buffer) => came.push(bytes));
    const request = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
    socket.write(Buffer.concat([request, startup(new Map([['user', server.user], ['database', 'main']]))]));
    await new Promise((resolve) => socket.once('close', resolve));
    expect(Buffer.concat(came).toString('latin1')).toContain('received unencrypted data after SSL request');
    expect(came[0]![0]).toBe(0x45);
  });
});

const TRUSTING = ['auth_type = trust', 'server_login_retry = 1'];

describe('towards servers', () => {
  const to = (settings: string, host = 'localhost'): Promise<Bouncer> => startBouncer(server, TRUSTING, [
    `main = host=${host} port=${server.port} dbname=${server.database} user=${server.user} ${settings}`,
    `plain = host=127.0.0.1 port=${server.port} dbname=${server.database} user=plain server_tls_sslmode=allow`,
  ]);

  it.each(['prefer', 'require', 'verify-ca', 'verify-full'])('uses TLS for a database with server_tls_sslmode = %s', async (mode) => {
    await using bouncer = await to(`server_tls_sslmode=${mode} server_tls_ca_file=${file('ca.crt', ours.cert)}`);
    expect(await greeted(bouncer, {})).toBe(true);
  });

  it('uses TLS with server_tls_sslmode = allow only where the server does not go without', async () => {
    await using bouncer = await to('server_tls_sslmode=allow', '127.0.0.1');
    expect(await greeted(bouncer, {})).toBe(true);
    expect(await greeted(bouncer, { database: 'plain' })).toBe(false);
  });

  it('says what the server says where it does not go without', async () => {
    await using bouncer = await to('server_tls_sslmode=disable', '127.0.0.1');
    await expect(greeted(bouncer, {})).rejects.toThrow('no pg_hba.conf entry');
  });

  it.each([
    { mode: 'verify-full', host: '127.0.0.1', ca: ours, why: 'a certificate for another name' },
    { mode: 'verify-full', host: 'localhost', ca: others, why: 'a certificate that nobody knows' },
    { mode: 'verify-ca', host: '127.0.0.1', ca: others, why: 'a certificate that nobody knows' },
  ])('does not log in with server_tls_sslmode = $mode at a server with $why', async ({ mode, host, ca }) => {
    await using bouncer = await to(`server_tls_sslmode=${mode} server_tls_ca_file=${file('ca.crt', ca.cert)}`, host);
    const waiting = bouncer.client();
    waiting.connect().catch(() => undefined);
    const log = (): string => readFileSync(join(bouncer.folder, 'log'), 'utf8');
    await vi.waitFor(() => expect(log()).toContain('certificate verify failed'), { timeout: 20_000 });
    // Nobody else is logged in there either.
    expect((await bouncer.admin('SHOW SERVERS'))).toEqual([]);
  });
});
