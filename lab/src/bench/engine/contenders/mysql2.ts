// mysql2's pool with its own connection class, over a stream that leads nowhere; only the handshake with a server is left out.
import { PassThrough } from 'node:stream';
import mysql from 'mysql2';
import { lender, type Setup, type Source, type Subject, type Thing } from '../subject.ts';

type Loan = mysql.PoolConnection & { thing?: Thing };

export function open({ max }: Setup, source: Source): Subject {
  const { Connection } = mysql as unknown as { Connection: { prototype: { connect(done: (error: null) => void): void } } };
  Connection.prototype.connect = (done) => done(null);
  const pool = mysql.createPool({
    connectionLimit: max, waitForConnections: true, maxIdle: max, idleTimeout: 60_000, queueLimit: 0,
    connectTimeout: 0, stream: () => new PassThrough(),
  });
  pool.on('connection', (connection) => { (connection as Loan).thing = source.make(); });
  return lender<Loan>({
    acquire: () => new Promise((resolve, reject) => {
      pool.getConnection((error, connection) => error === null ? resolve(connection) : reject(error));
    }),
    release: (connection) => { connection.release(); },
    thingOf: (connection) => connection.thing!,
    close: () => Promise.resolve(),
  });
}
