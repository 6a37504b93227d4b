// How many connections all members of a fleet may have at a server, for a budget whose limit is 'auto'. What is asked tells by its members
// which driver it is of.

/** Throws a TypeError for what is no connection of node-postgres or mysql2. */
export async function serverLimit(connection: unknown): Promise<number> {
  if (typeof connection === 'object' && connection !== null) {
    if ('processID' in connection) return postgresLimit(connection as unknown as PostgresConnection);
    if ('threadId' in connection) return mysqlLimit(connection as unknown as MysqlConnection);
  }
  throw new TypeError("limit: 'auto' is for pools of connections of node-postgres or mysql2; give a number, or a function");
}

interface PostgresConnection {
  query(text: string): Promise<{ readonly rows: readonly { readonly limit: number }[] }>;
}

/**
 * What an ordinary role can get: `max_connections` less what is reserved (`superuser_reserved_connections`, and `reserved_connections` from
 * PostgreSQL 16 on), less what sessions of other roles have at the moment and a quarter of that for more of them; at most what the role
 * and the database may have by themselves.
 */
const POSTGRES = `
SELECT least(
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true)::int, 0)
    - (SELECT ceil(count(*) * 1.25)::int FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename <> current_user),
  (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
  (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
) AS "limit"`;

async function postgresLimit(client: PostgresConnection): Promise<number> {
  const { rows } = await client.query(POSTGRES);
  return Number(rows[0]?.limit);
}

interface MysqlConnection {
  query(text: string): Promise<unknown>;
}

/**
 * `max_connections` less what others than this user have at the moment and a quarter of that for more of them; at most what this user may
 * have (`max_user_connections`). The list of one's own threads is seen without any privilege.
 */
const MYSQL = `SELECT @@max_connections AS everybody, @@max_user_connections AS own,
  (SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = SUBSTRING_INDEX(CURRENT_USER(), '@', 1)) AS ours`;

async function mysqlLimit(connection: MysqlConnection): Promise<number> {
  const [[limits]] = await connection.query(MYSQL) as [[Readonly<Record<'everybody' | 'own' | 'ours', unknown>>]];
  const [[status]] = await connection.query(`SHOW GLOBAL STATUS LIKE 'Threads_connected'`) as [[{ readonly Value: unknown }]];
  const others = Math.max(0, Number(status.Value) - Number(limits.ours));
  const left = Number(limits.everybody) - Math.ceil(others * 1.25);
  return Number(limits.own) > 0 ? Math.min(left, Number(limits.own)) : left;
}
