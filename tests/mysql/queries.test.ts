// Statements through the pool: what comes back, what fails, and what a failure costs.

import { inspect } from 'node:util';
import { InvalidOptionError } from 'millpond';
import { createMysqlPool, type MysqlPool } from 'millpond/mysql';
import * as mysql2 from 'mysql2';
import mysql from 'mysql2/promise';
import { makeCertificate } from '@millpond/lab/certificate';
import { beforeAll, expect, it } from 'vitest';
import { failureOf, until } from '../support/postgres.ts';
import { onMariadb } from '../support/mariadb.ts';
import { TcpProxy } from '../support/proxy.ts';

const CERTIFICATE = makeCertificate('localhost');

onMariadb('statements', (stage) => {
  beforeAll(async () => {
    await stage.watcher.query('CREATE TABLE numbers (id int PRIMARY KEY, name varchar(20) NOT NULL) ENGINE = InnoDB');
    await stage.watcher.query("INSERT INTO numbers VALUES (1, 'one'), (2, 'two'), (3, '')");
  });

  it('resolve with what mysql2 itself resolves with, by query and by execute', async () => {
    const options = await stage.options('same');
    await using pool = createMysqlPool(options);
    const plain = await mysql.createConnection(options as mysql.ConnectionOptions);
    const statements: [string | { sql: string; rowsAsArray?: boolean }, unknown?][] = [
      ['SELECT id, name FROM numbers WHERE id = ?', [2]], ['SELECT * FROM numbers ORDER BY id'], ['SELECT name FROM numbers WHERE id = 9'],
      ['UPDATE numbers SET name = name WHERE id = ?', [1]], ['DO 0'],
      [{ sql: 'SELECT id, name FROM numbers ORDER BY id DESC', rowsAsArray: true }],
      ["SELECT '' AS empty, NULL AS nothing, 1.5 AS real_number, DATE '2026-01-02' AS day", []],
    ];
    for (const [sql, values] of statements) {
      for (const how of ['query', 'execute'] as const) {
        const text = sql as string;
        const theirs: unknown = await (how === 'query' ? plain.query(text, values as never) : plain.execute(text, values as never));
        expect(await pool[how](sql, values), `${how} ${JSON.stringify(sql)}`).toEqual(theirs);
      }
    }
    const inserted = await pool.query('INSERT INTO numbers SET ?', [{ id: 4, name: 'four' }]);
    expect(inserted).toEqual([expect.objectContaining({ affectedRows: 1 }), undefined]);
    plain.destroy();
  });

  it('fail as mysql2 has them fail, and cost no connection', async () => {
    await using pool = createMysqlPool({ ...await stage.options('fails'), max: 1 });
    for (const how of ['query', 'execute'] as const) {
      expect(await failureOf(pool[how]('SELEC 1'))).toMatchObject({ errno: 1064, sqlState: '42000' });
      const twice = pool[how]('INSERT INTO numbers VALUES (1, ?)', ['again']);
      expect(await failureOf(twice)).toMatchObject({ code: 'ER_DUP_ENTRY', errno: 1062 });
      expect((await pool.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
    }
    expect(await failureOf(pool.execute('SELECT ?', [undefined]))).toBeInstanceOf(TypeError);
    expect(pool.stats()).toMatchObject({ idle: 1, totals: { created: 1 } });
  });

  it('send nothing but themselves: not a byte when a connection is lent, and none when it comes back', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createMysqlPool({ ...await stage.through(proxy, 'nothing-else'), max: 1 });
    await pool.query('DO 0');
    await failureOf(pool.query('SELECT nonsense FROM numbers'));
    const [passage] = proxy.passages;
    const before = passage!.fromClient.length;
    for (let i = 0; i < 20; i++) await pool.query('SELECT 1');
    await failureOf(pool.query('SELECT nonsense FROM numbers'));
    await pool.use((connection) => connection.query('SELECT 2'));
    // COM_QUERY, and nothing of a reset, a ping or a rollback.
    const sent = Buffer.concat(passage!.fromClient.slice(before)).toString('latin1');
    expect(sent.match(/\x03(?:SELECT|\0?\x01SELECT)/g)).toHaveLength(22);
    expect(sent).not.toMatch(/ROLLBACK|SET |DO 0/);
    expect(passage!.fromClient.length - before).toBe(22);
  });

  it('are prepared once per connection, the least recently used one going first', async () => {
    await using pool = createMysqlPool({ ...await stage.options('prepares'), max: 1, maxPreparedStatements: 2 });
    const prepared = async (): Promise<number> => {
      const [[row]] = await pool.query<[{ Value: string }]>("SHOW SESSION STATUS LIKE 'Com_stmt_prepare'");
      return Number(row.Value);
    };
    for (let i = 0; i < 5; i++) await pool.execute('SELECT ? AS n', [i]);
    expect(await prepared()).toBe(1);
    for (const text of ['SELECT ? AS a', 'SELECT ? AS b', 'SELECT ? AS n']) await pool.execute(text, [1]);
    expect(await prepared()).toBe(4);
  });

  it('may be typed by the driver that is passed, whose connections are lent as they are', async () => {
    await using pool = createMysqlPool({ ...await stage.options('typed'), driver: mysql2, max: 1 });
    const first = await pool.use(async (connection: mysql.Connection) => {
      const [rows] = await connection.query<mysql.RowDataPacket[]>('SELECT id FROM numbers WHERE id = 1');
      expect(rows).toEqual([{ id: 1 }]);
      return connection;
    });
    expect(first.constructor.name).toBe('PromiseConnection');
    expect(await pool.use((connection) => connection)).toBe(first);
  });

  it('that stream go through a connection of their own', async () => {
    await using pool = createMysqlPool({ ...await stage.options('streams'), driver: mysql2, max: 1 });
    const names = await pool.use(async (connection) => {
      const all: string[] = [];
      const { connection: callbacks } = connection as unknown as { connection: mysql2.Connection };
      for await (const row of callbacks.query('SELECT name FROM numbers ORDER BY id').stream()) all.push((row as { name: string }).name);
      return all;
    });
    expect(names.slice(0, 3)).toEqual(['one', 'two', '']);
    expect(pool.stats().totals.created).toBe(1);
  });

  it('refuse what cannot be meant', async () => {
    await using pool = createMysqlPool(await stage.options('refused'));
    for (const wrong of [undefined, null, 7, {}, { text: 'SELECT 1' }]) {
      expect(await failureOf(pool.query(wrong as unknown as string))).toBeInstanceOf(TypeError);
    }
    expect(await failureOf(pool.query('SELECT 1', () => undefined))).toBeInstanceOf(TypeError);
    expect(await failureOf(pool.query('SELECT 1', [], { timeoutMs: 0 }))).toBeInstanceOf(InvalidOptionError);
    expect(pool.stats().size).toBe(0);
  });

  it('cannot make this machine read its files for a server, unless it says so', async () => {
    const options = await stage.options('infile');
    await stage.watcher.query('CREATE TABLE loaded (line varchar(100))');
    await stage.watcher.query("SET GLOBAL local_infile = 1");
    const load = "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE loaded";
    await using pool = createMysqlPool(options);
    expect(await failureOf(pool.query(load))).toMatchObject({ sqlState: expect.any(String) as string }); // the server's own refusal
    const { Readable } = await import('node:stream');
    await using asked = createMysqlPool({ ...options, infileStreamFactory: () => Readable.from([Buffer.from('a\nb\n')]) });
    expect((await asked.query(load))[0]).toMatchObject({ affectedRows: 2 });
  });

  it('show no password of the connection that they run on, however deep somebody looks', async () => {
    const options = await stage.options('looked-at');
    await using pool = createMysqlPool({ ...options, max: 1 });
    await pool.use((connection, lease) => {
      for (const each of [connection, lease, pool]) expect(inspect(each, { depth: 10 })).not.toContain(options.password);
    });
  });

  it('leave nobody else the rows of a result that could not be read', async () => {
    await using pool = createMysqlPool({ ...await stage.options('derailed'), max: 1 });
    // Rows so long that the next one is not here yet when one fails.
    const failing = { sql: 'SELECT REPEAT("x", 100000) FROM seq_1_to_50', typeCast: () => { throw new Error('no'); } };
    await expect(pool.query(failing)).rejects.toThrow();
    for (let i = 0; i < 5; i++) expect((await pool.query(`SELECT ${i} AS n`))[0]).toEqual([{ n: i }]);
    expect(pool.stats().totals.created).toBe(2);
  });

  it('run over the socket, compressed, over TLS, and as a user whose password changes', async () => {
    const { socketPath, user, password, database, host, port } = stage.server;
    await using local = createMysqlPool({ socketPath, user, password, database });
    expect((await local.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
    await using packed = createMysqlPool({ host, port, user, password, database, compress: true });
    expect((await packed.query('SELECT REPEAT("ab", 50000) AS long_text'))[0]).toEqual([{ long_text: 'ab'.repeat(50_000) }]);
    await using secret = createMysqlPool({ host: 'localhost', port, user, password, database, ssl: { ca: CERTIFICATE.cert } });
    const cipher = { Variable_name: 'Ssl_cipher', Value: expect.stringMatching(/./) as string };
    expect((await secret.query("SHOW STATUS LIKE 'Ssl_cipher'"))[0]).toEqual([cipher]);
    await expect(secret.query('SELECT SLEEP(30)', [], { timeoutMs: 500 })).rejects.toMatchObject({ code: 'ERR_POOL_QUERY_TIMEOUT' });
    await until('it to come back', () => secret.stats().idle, (idle) => idle === 1);
    expect(secret.stats().totals.created).toBe(1); // ended by a KILL, over TLS as well
    await using wary = createMysqlPool({ host: 'localhost', port, user, password, database, ssl: { ca: makeCertificate('other').cert } });
    expect(await failureOf(wary.query('SELECT 1'))).toMatchObject({ code: 'ERR_POOL_CREATE_FAILED', retryable: false });
    let asked = 0;
    const rotating = (): object => ({ user, password: ++asked === 1 ? 'expired' : password });
    await using pool: MysqlPool = createMysqlPool({ host, port, database, connection: rotating });
    expect(await failureOf(pool.query('SELECT 1'))).toMatchObject({ code: 'ERR_POOL_CREATE_FAILED', cause: { errno: 1045 } });
    expect((await pool.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
    expect(asked).toBe(2);
  });

  it('do not keep the process waiting for an idle connection, and do for one at work', async () => {
    await using pool = createMysqlPool({ ...await stage.options('unref'), max: 1 });
    const stream = await pool.use((connection) =>
      (connection as unknown as { connection: { stream: { _handle: { hasRef(): boolean } } } }).connection.stream);
    await until('it to be no reason to go on', () => stream._handle.hasRef(), (has) => !has);
    const running = pool.query('SELECT SLEEP(0.05)');
    await until('it to be one again', () => stream._handle.hasRef(), (has) => has);
    await running;
  });
}, { tls: CERTIFICATE });
