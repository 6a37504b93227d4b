// MySQL and MariaDB: what a row by its key costs, as text and prepared.
import { hasMariadb, startMariadb, type MariadbServer } from '../../servers/mariadb.ts';
import type { BenchContext, Chapter, ChapterResult, Section } from '../chapter.ts';
import { atLeast, chosen, exchangeSection, failuresOf, leftOut, takeExchanges } from '../exchange/section.ts';
import { CONTENDERS, seed, type MysqlPlace } from './contenders.ts';

const CALLERS = 200;
const SIZE = 10;
const about = `${CALLERS} callers look up a row by its key, again and again; pools have at most ${SIZE} connections.`;

const NOTES = [
  'The server is MariaDB, on the same machine as the client; all contenders use mysql2\'s connections. Every answer is looked at.',
];

async function section(context: BenchContext, server: MariadbServer, place: MysqlPlace): Promise<Section> {
  const { statement } = place;
  const plan = {
    list: 'mysql', contenders: chosen(CONTENDERS, context), what: statement, place, pid: server.pid, size: SIZE, callers: CALLERS,
  } as const;
  const result = await takeExchanges(context, plan);
  return exchangeSection(result, plan, {
    id: `mysql-${statement}`, title: `A row by its key with ${statement}, ${CALLERS} callers`,
    note: `One operation is SELECT id, name FROM customers WHERE id = ?, ${statement === 'query' ? 'as text' : 'prepared'}, from the call `
      + 'to the row, over TCP on the loopback.',
    targets: [
      ...atLeast(result, `${statement}: millpond/mysql at least mysql2's pool at equal max`, ['millpond', 'mysql2'], 1),
      ...atLeast(result, `${statement}: @millpond/mysql2 at least mysql2's pool at equal max`, ['millpond-mysql2', 'mysql2'], 1),
    ],
  });
}

async function sections(context: BenchContext): Promise<Section[]> {
  const server = await startMariadb();
  try {
    const { host, port, user, password, database } = server;
    const place = { host, port, user, password, database };
    await seed({ ...place, statement: 'query' });
    return [
      await section(context, server, { ...place, statement: 'query' }), await section(context, server, { ...place, statement: 'execute' }),
    ];
  } finally {
    await server.stop();
  }
}

async function run(context: BenchContext): Promise<ChapterResult> {
  const there = hasMariadb();
  const all = there ? await sections(context) : [];
  const notes = there ? NOTES : [leftOut('mysql', 'MariaDB', 'mariadb-server')];
  return { name: 'mysql', title: mysqlChapter.title, about, sections: all, notes, failures: failuresOf(all) };
}

export const mysqlChapter: Chapter = {
  name: 'mysql', title: 'MySQL: rows by key', about, contenders: CONTENDERS.map(({ id }) => id), run,
};
