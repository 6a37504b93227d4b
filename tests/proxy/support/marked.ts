// What a client says whose every row bears its marker, so that a row that reaches somebody else is seen.

import type { SeededRandom } from 'millpond/testing';
import { bind, copyData, copyDone, describe, execute, flush, prepare, query, sync } from './messages.ts';

export interface Talk {
  readonly bytes: Buffer;
  /** How many ReadyForQuery it brings, if nobody cancels. */
  readonly ready: number;
}

/** Things that leave something behind, if nobody takes care: in the session only where it belongs to the client alone. */
function statement(random: SeededRandom, marker: string, session: boolean): string {
  return random.pick([
    `SELECT '${marker}'`,
    `SELECT '${marker}', i FROM generate_series(1, ${random.int(1, 3_000)}) AS i`,
    `SELECT '${marker}', repeat('x', ${random.int(1, 200_000)})`,
    `SELECT '${marker}', pg_sleep(0.0${random.int(1, 5)})`,
    'BEGIN', 'BEGIN; SAVEPOINT a', 'COMMIT', 'ROLLBACK',
    `BEGIN; INSERT INTO written (said) VALUES ('${marker}')`,
    `BEGIN; CREATE TEMP TABLE mine ON COMMIT DROP AS SELECT '${marker}' AS m; SELECT m FROM mine`,
    'BEGIN; DECLARE c CURSOR FOR SELECT 1', 'BEGIN; SELECT pg_advisory_xact_lock(hashtext(\'' + marker + `')) IS NULL, '${marker}'`,
    "SET TimeZone TO 'Asia/Tokyo'", "BEGIN; SET LOCAL work_mem TO '64kB'", `SELECT 1 / 0, '${marker}'`,
    ...(session ? [
      `CREATE TEMP TABLE kept AS SELECT '${marker}' AS m`, "SET work_mem TO '64kB'", `PREPARE own AS SELECT '${marker}'`,
      'SET statement_timeout TO 30000',
      `SELECT pg_advisory_lock(hashtext('${marker}')) IS NULL, '${marker}'`, 'DECLARE h CURSOR WITH HOLD FOR SELECT 1', 'LISTEN something',
    ] : []),
  ]);
}

/** A few requests in a row, all of them in one piece. */
export function talk(random: SeededRandom, marker: string, session: boolean): Talk {
  const parts: Buffer[] = [];
  let ready = 0;
  for (let n = random.int(1, 5); n > 0; n--) {
    ready++;
    const sql = statement(random, marker, session);
    switch (random.int(0, 4)) {
      case 0: {
        const name = random.pick(['', 'shared', 'other']);
        const text = random.pick(['SELECT $1::text AS said', 'SELECT $1::text AS said, 2']);
        parts.push(prepare(name, text), describe('S', name), bind('', name, [marker]), execute('', random.int(0, 1)), sync());
        break;
      }
      case 1:
        parts.push(query('COPY written (said) FROM STDIN'), copyData(`${marker}\n`.repeat(random.int(1, 2_000))), copyDone());
        break;
      case 2:
        parts.push(prepare('', `SELECT '${marker}'`), bind('', ''), execute(''), flush(), sync());
        break;
      default: parts.push(query(sql));
    }
  }
  return { bytes: Buffer.concat(parts), ready };
}
