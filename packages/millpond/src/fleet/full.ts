// The server's word for "no connection is left", which is no failure of a pool that shares its connections: somebody has them.

/** MySQL: of the server, of the user by its account, and by the server's setting. */
const MYSQL_FULL = new Set([1040, 1203]);
const MYSQL_RESOURCE = 1226;
/** An error that says so may be the cause of one that wraps it. */
const DEPTH = 4;

export function isServerFull(error: unknown): boolean {
  let each = error;
  for (let depth = 0; depth < DEPTH && typeof each === 'object' && each !== null; depth++) {
    const { code, errno, message, cause } = each as Partial<Record<'code' | 'errno' | 'message' | 'cause', unknown>>;
    // PostgreSQL: of the server, of the role, of the database; poolers in front of it say the same.
    if (code === '53300' || MYSQL_FULL.has(errno as number)) return true;
    if (errno === MYSQL_RESOURCE && /max_user_connections/.test(String(message))) return true;
    each = cause;
  }
  return false;
}
