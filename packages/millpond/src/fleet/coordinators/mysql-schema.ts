// What the MySQL coordinator puts into a database: three tables, two views for people, and the step (allocator.ts) as one procedure.
//
// The server runs a CALL to its end whether or not the client is still there, so that a member that is frozen in the middle of it holds
// nobody up; a transaction that is spoken from outside would hold the lock. Hence the procedure, and no other way where it may not be
// created.
//
// A replica that is promoted, and a server that was started again, may lack what was granted last (`innodb_flush_log_at_trx_commit`, an
// asynchronous replica). So the identity is made of the server's id and name and a moment, and a new one is made when these differ, or when
// the server was started after the state was last seen. That is looked at after a silence of 50 ms: no restart takes less, and a busy
// fleet need not look, which is the dearest part.
//
// It carries its version as a comment. A library that is newer replaces it, one that is older uses it.

/** Of the procedure. To be raised with each change of what is created here. */
export const SCHEMA_VERSION = 1;

const TABLE = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4';

export function mysqlTables(): readonly string[] {
  return [
    `CREATE TABLE IF NOT EXISTS millpond_fleet_state (
      fleet VARBINARY(255) NOT NULL PRIMARY KEY, identity VARCHAR(255) NOT NULL, terms VARCHAR(255) NOT NULL,
      learning_until BIGINT NOT NULL, seen_at BIGINT NOT NULL, swept_at BIGINT NOT NULL, came BIGINT NOT NULL, members BIGINT NOT NULL,
      reserved BIGINT NOT NULL, unmet BIGINT NOT NULL, base_sum BIGINT NOT NULL, base_weight BIGINT NOT NULL, head_sum BIGINT NOT NULL,
      head_weight BIGINT NOT NULL
    ) ${TABLE}`,
    `CREATE TABLE IF NOT EXISTS millpond_fleet_seat (
      fleet VARBINARY(255) NOT NULL, member VARBINARY(1024) NOT NULL, seq BIGINT NOT NULL, name VARCHAR(255) NOT NULL,
      ordinal BIGINT NOT NULL, held BIGINT NOT NULL, permit BIGINT NOT NULL, reserved BIGINT NOT NULL, base BIGINT NOT NULL,
      demand BIGINT NOT NULL, weight BIGINT NOT NULL, lends BIGINT NOT NULL, leaving BOOLEAN NOT NULL, short_ms BIGINT NOT NULL,
      heard_at BIGINT NOT NULL, PRIMARY KEY (fleet, member), KEY heard (fleet, heard_at)
    ) ${TABLE}`,
    `CREATE TABLE IF NOT EXISTS millpond_fleet_ends (
      fleet VARBINARY(255) NOT NULL, kind TINYINT NOT NULL, level BIGINT NOT NULL, ends BIGINT NOT NULL, PRIMARY KEY (fleet, kind, level)
    ) ${TABLE}`,
  ];
}

export const CLOCK = `TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000`;

export function mysqlViews(): readonly string[] {
  const term = (nth: number): string => `CAST(SUBSTRING_INDEX(SUBSTRING_INDEX(terms, ' ', ${nth}), ' ', -1) AS SIGNED)`;
  const reserved = `reserved + ${term(3)} * (${term(4)} - members)`;
  return [
    `CREATE OR REPLACE VIEW millpond_fleets AS
      SELECT CONVERT(fleet USING utf8mb4) AS fleet, ${term(1)} AS \`limit\`, ${term(2)} AS guard, ${term(3)} AS floor,
        ${reserved} AS reserved, ${term(1)} - ${term(2)} - (${reserved}) AS free, members,
        GREATEST(0, learning_until - ${CLOCK}) AS learning_ms
      FROM millpond_fleet_state WHERE terms <> ''`,
    `CREATE OR REPLACE VIEW millpond_fleet_members AS
      SELECT CONVERT(fleet USING utf8mb4) AS fleet, name, held, permit, reserved, base AS needs, demand AS wants, weight, lends, leaving,
        short_ms, ${CLOCK} - heard_at AS silent_ms FROM millpond_fleet_seat`,
  ];
}

/** `isMariadb`: where it tells for how long it has been up differs. */
export function mysqlProcedure(isMariadb: boolean): string {
  return `CREATE PROCEDURE millpond_fleet_heartbeat(
  a_fleet VARBINARY(255), a_member VARBINARY(1024), a_name VARCHAR(255) CHARACTER SET utf8mb4, a_identity VARCHAR(255),
  a_terms VARCHAR(255),
  a_seq BIGINT, a_held BIGINT, a_has BIGINT, a_base BIGINT, a_demand BIGINT, a_weight BIGINT, a_leaving BIGINT, a_lends BIGINT,
  a_lends_until BIGINT, a_short BIGINT, a_tail BIGINT, at_ms BIGINT, at_identity VARCHAR(255)
) MODIFIES SQL DATA COMMENT 'millpond fleet ${SCHEMA_VERSION}' SQL SECURITY INVOKER
step: BEGIN
${DECLARE}
${state(isMariadb ? 'information_schema.GLOBAL_STATUS' : 'performance_schema.global_status')}
${LOOK}
${NOTE}
${DECIDE}
END`;
}

const term = (nth: number): string => `CAST(SUBSTRING_INDEX(SUBSTRING_INDEX(v_terms, ' ', ${nth}), ' ', -1) AS SIGNED)`;

const DECLARE = `
  DECLARE v_wait BIGINT DEFAULT @@innodb_lock_wait_timeout;
  DECLARE v_now, v_learning, v_seen, v_swept, v_came, v_members, v_reserved, v_unmet, v_uptime BIGINT;
  DECLARE v_bsum, v_bweight, v_hsum, v_hweight, v_limit, v_usable, v_floor, v_most, v_tail, v_free BIGINT;
  DECLARE v_identity, v_terms, v_server VARCHAR(255);
  DECLARE k_seq, k_ordinal, k_permit, k_reserved, k_base, k_demand, k_weight, k_heard BIGINT;
  DECLARE v_gone VARBINARY(1024);
  DECLARE v_kind, v_round, v_amount, v_q, v_r, v_sign, v_w BIGINT;
  DECLARE v_others, v_permit, v_part, v_fast, v_slow, v_total, v_room, v_taken, v_level, v_next, v_ends, v_steps, v_full BIGINT;
  DECLARE v_loan, v_least, v_keeps BIGINT DEFAULT 0;
  DECLARE v_refused VARCHAR(16);
  DECLARE CONTINUE HANDLER FOR NOT FOUND BEGIN END;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN
    ROLLBACK;
    SET SESSION innodb_lock_wait_timeout = v_wait;
    RESIGNAL;
  END;
  SET SESSION innodb_lock_wait_timeout = 1;`;

/** The state of the fleet, locked; made when there is none. Notes of demand wait in `pending`: amounts before, amounts now. */
const state = (status: string): string => `
  START TRANSACTION;
  SELECT identity, terms, learning_until, seen_at, swept_at, came, members, reserved, unmet, base_sum, base_weight, head_sum, head_weight
    INTO v_identity, v_terms, v_learning, v_seen, v_swept, v_came, v_members, v_reserved, v_unmet, v_bsum, v_bweight, v_hsum, v_hweight
    FROM millpond_fleet_state WHERE fleet = a_fleet FOR UPDATE;
  IF v_identity IS NULL THEN
    ROLLBACK;
    INSERT IGNORE INTO millpond_fleet_state VALUES (a_fleet, '', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    START TRANSACTION;
    SELECT identity, terms, learning_until, seen_at, swept_at, came, members, reserved, unmet, base_sum, base_weight, head_sum, head_weight
      INTO v_identity, v_terms, v_learning, v_seen, v_swept, v_came, v_members, v_reserved, v_unmet, v_bsum, v_bweight, v_hsum, v_hweight
      FROM millpond_fleet_state WHERE fleet = a_fleet FOR UPDATE;
  END IF;
  SET v_now = COALESCE(at_ms, ${CLOCK});
  IF at_identity IS NULL THEN
    SET v_server = CONCAT(@@server_id, '-', REPLACE(@@hostname, ' ', ''), '-', @@port, '-'), at_identity = v_identity;
    IF LEFT(v_identity, CHAR_LENGTH(v_server)) <> v_server THEN
      SET at_identity = CONCAT(v_server, v_now);
    ELSEIF v_now - v_seen NOT BETWEEN 0 AND 50 THEN
      SELECT VARIABLE_VALUE * 1000 INTO v_uptime FROM ${status} WHERE VARIABLE_NAME = 'Uptime';
      IF COALESCE(v_uptime, 0) < GREATEST(0, v_now - v_seen) + 2000 THEN SET at_identity = CONCAT(v_server, v_now); END IF;
    END IF;
  END IF;`;

const LOOK = `
  IF v_identity = at_identity THEN
    SET v_now = GREATEST(v_now, v_seen);
    SET v_tail = ${term(5)} + ${term(6)} + ${term(7)};
    SET v_round = 0;
    sweep: WHILE v_round < 32 DO
      SET v_gone = NULL;
      SELECT member, permit, reserved, base, demand, weight, heard_at INTO v_gone, k_permit, k_reserved, k_base, k_demand, k_weight, k_heard
        FROM millpond_fleet_seat WHERE fleet = a_fleet AND heard_at > v_swept AND heard_at <= v_now - v_tail ORDER BY heard_at LIMIT 1;
      IF v_gone IS NULL THEN LEAVE sweep; END IF;
      DELETE FROM millpond_fleet_seat WHERE fleet = a_fleet AND member = v_gone;
      INSERT INTO millpond_fleet_ends VALUES
        (a_fleet, 1, k_base DIV k_weight, k_base MOD k_weight - k_weight),
        (a_fleet, 1, k_base DIV k_weight + 1, -(k_base MOD k_weight)),
        (a_fleet, 2, (k_demand - k_base) DIV k_weight, (k_demand - k_base) MOD k_weight - k_weight),
        (a_fleet, 2, (k_demand - k_base) DIV k_weight + 1, -((k_demand - k_base) MOD k_weight))
        ON DUPLICATE KEY UPDATE ends = ends + VALUES(ends);
      SET v_bsum = v_bsum - k_base, v_bweight = v_bweight - k_weight, v_hsum = v_hsum - k_demand + k_base, v_hweight = v_hweight - k_weight;
      SET v_members = v_members - 1, v_reserved = v_reserved - k_reserved, v_round = v_round + 1;
      SET v_unmet = v_unmet - GREATEST(0, k_base - k_permit);
    END WHILE;
    SET v_swept = IF(v_round = 32, k_heard - 1, GREATEST(v_swept, v_now - v_tail));
  END IF;
  IF v_identity <> at_identity OR (v_members = 0 AND v_terms <> a_terms) THEN
    DELETE FROM millpond_fleet_seat WHERE fleet = a_fleet;
    DELETE FROM millpond_fleet_ends WHERE fleet = a_fleet;
    SET v_identity = at_identity, v_terms = a_terms, v_tail = a_tail, v_learning = v_now + a_tail, v_swept = v_now - 1, v_came = 0;
    SET v_members = 0, v_reserved = 0, v_unmet = 0, v_bsum = 0, v_bweight = 0, v_hsum = 0, v_hweight = 0;
  END IF;
  SET v_usable = ${term(1)} - ${term(2)}, v_floor = ${term(3)}, v_most = ${term(4)};
  SET k_seq = NULL;
  SELECT seq, ordinal, permit, reserved, base, demand, weight INTO k_seq, k_ordinal, k_permit, k_reserved, k_base, k_demand, k_weight
    FROM millpond_fleet_seat WHERE fleet = a_fleet AND member = a_member;
  SET v_refused = CASE
    WHEN v_terms <> a_terms THEN 'terms'
    WHEN a_seq <= k_seq THEN 'overtaken'
    WHEN k_seq IS NULL AND v_members >= v_most AND NOT (a_leaving = 1 AND a_held = 0) THEN 'full'
  END;
  IF v_refused IS NULL AND k_seq IS NOT NULL THEN
    SET v_reserved = v_reserved - k_reserved, v_members = v_members - 1, v_unmet = v_unmet - GREATEST(0, k_base - k_permit);
    IF a_leaving = 1 AND a_held = 0 THEN DELETE FROM millpond_fleet_seat WHERE fleet = a_fleet AND member = a_member; END IF;
  END IF;
  IF v_refused IS NULL AND NOT (a_leaving = 1 AND a_held = 0) THEN
    SET a_base = IF(a_leaving = 1, 0, LEAST(a_base, v_usable));
    SET a_demand = IF(a_leaving = 1, 0, GREATEST(a_base, LEAST(a_demand, v_usable)));
    SET v_members = v_members + 1;
    IF k_seq IS NULL THEN SET v_came = v_came + 1, k_ordinal = v_came; END IF;
  END IF;`;

/** What was needed before goes, what is needed now comes; nothing when both are the same. */
const NOTE = `
  SET v_round = IF(k_seq IS NULL, 1, 0);
  IF v_refused IS NOT NULL THEN SET v_round = 2;
  ELSEIF k_seq IS NOT NULL AND NOT (a_leaving = 1 AND a_held = 0)
    AND k_base = a_base AND k_demand = a_demand AND k_weight = a_weight THEN SET v_round = 2;
  END IF;
  WHILE v_round < 2 DO
    IF v_round = 0 THEN SET v_sign = -1, v_amount = k_base, v_part = k_demand - k_base, v_w = k_weight;
    ELSE SET v_sign = 1, v_amount = a_base, v_part = a_demand - a_base, v_w = a_weight;
    END IF;
    IF v_round = 0 OR NOT (a_leaving = 1 AND a_held = 0) THEN
      INSERT INTO millpond_fleet_ends VALUES
        (a_fleet, 1, v_amount DIV v_w, v_sign * (v_w - v_amount MOD v_w)), (a_fleet, 1, v_amount DIV v_w + 1, v_sign * (v_amount MOD v_w)),
        (a_fleet, 2, v_part DIV v_w, v_sign * (v_w - v_part MOD v_w)), (a_fleet, 2, v_part DIV v_w + 1, v_sign * (v_part MOD v_w))
        ON DUPLICATE KEY UPDATE ends = ends + VALUES(ends);
      SET v_bsum = v_bsum + v_sign * v_amount, v_bweight = v_bweight + v_sign * v_w;
      SET v_hsum = v_hsum + v_sign * v_part, v_hweight = v_hweight + v_sign * v_w;
    END IF;
    SET v_round = v_round + 1;
  END WHILE;`;

const DECIDE = `
  IF v_refused IS NULL AND NOT (a_leaving = 1 AND a_held = 0) THEN
    SET v_others = v_reserved + v_floor * (v_most - v_members), v_permit = 0, v_keeps = v_floor;
    IF a_leaving = 0 THEN
      IF a_identity = v_identity AND a_lends_until - v_now >= 2 * v_tail THEN SET v_loan = LEAST(a_lends, v_floor); END IF;
      SET v_least = GREATEST(0, v_floor - a_lends), v_keeps = v_floor - v_loan, v_permit = a_has;
      IF v_now >= v_learning THEN
        SET v_free = (v_usable + 19) DIV 20, v_permit = 0, v_kind = 1;
        SET v_fast = (k_ordinal + v_now DIV 100) MOD 65536 * 40503 MOD 65536;
        SET v_slow = (k_ordinal + v_now DIV 5000) MOD 65536 * 40503 MOD 65536;
        WHILE v_kind <= 2 DO
          IF v_kind = 1 THEN SET v_amount = a_base, v_total = v_bsum, v_taken = v_bweight, v_room = v_usable;
          ELSE SET v_amount = a_demand - a_base, v_total = v_hsum, v_taken = v_hweight, v_fast = v_slow,
            v_room = GREATEST(0, v_usable - v_free - v_bsum);
          END IF;
          SET v_part = v_amount;
          IF v_total > v_room THEN
            SET v_level = 0, v_ends = 0;
            SELECT ends INTO v_ends FROM millpond_fleet_ends WHERE fleet = a_fleet AND kind = v_kind AND level = 0;
            SET v_taken = v_taken - v_ends;
            WHILE v_room >= v_taken DO
              SELECT level, ends INTO v_next, v_ends FROM millpond_fleet_ends
                WHERE fleet = a_fleet AND kind = v_kind AND level > v_level AND ends <> 0 ORDER BY level LIMIT 1;
              SET v_steps = LEAST(v_next - v_level, v_room DIV v_taken);
              SET v_room = v_room - v_steps * v_taken, v_level = v_level + v_steps;
              IF v_level = v_next THEN SET v_taken = v_taken - v_ends; END IF;
            END WHILE;
            SET v_full = LEAST(v_amount, a_weight * v_level);
            SET v_part = v_full + (LEAST(a_weight, v_amount - v_full) * v_room * 65536
              + IF(v_level = 0, v_fast, v_slow) * v_taken) DIV (v_taken * 65536);
          END IF;
          IF v_kind = 2 THEN
            SET v_part = GREATEST(0, LEAST(v_part, v_usable - v_others - v_permit - v_unmet));
          END IF;
          SET v_permit = v_permit + v_part, v_kind = v_kind + 1;
        END WHILE;
        IF v_permit = 0 AND a_base > 0 AND GREATEST(a_held, a_has) = 0 AND NOT (k_seq IS NOT NULL AND k_reserved > 0) THEN
          SET v_permit = 1;
        ELSEIF v_others + GREATEST(a_held, a_has) <= v_usable - v_free THEN SET v_permit = GREATEST(v_permit, a_held, a_has); END IF;
      END IF;
    END IF;
    SET v_permit = GREATEST(v_least, LEAST(v_permit, v_usable - v_others));
    SET v_keeps = GREATEST(v_keeps, a_held, a_has, v_permit);
    SET v_reserved = v_reserved + v_keeps, v_unmet = v_unmet + GREATEST(0, a_base - v_permit);
    REPLACE INTO millpond_fleet_seat VALUES (a_fleet, a_member, a_seq, a_name, k_ordinal, a_held, v_permit, v_keeps, a_base, a_demand,
      a_weight, v_loan, a_leaving, a_short, v_now);
  END IF;
  UPDATE millpond_fleet_state SET identity = v_identity, terms = v_terms, learning_until = v_learning, seen_at = v_now, swept_at = v_swept,
    came = v_came, members = v_members, reserved = v_reserved, unmet = v_unmet, base_sum = v_bsum, base_weight = v_bweight,
    head_sum = v_hsum, head_weight = v_hweight WHERE fleet = a_fleet;
  COMMIT;
  SET SESSION innodb_lock_wait_timeout = v_wait;
  SELECT CASE
    WHEN v_refused = 'overtaken' THEN '${SCHEMA_VERSION} overtaken'
    WHEN v_refused IS NOT NULL THEN CONCAT_WS(' ', ${SCHEMA_VERSION}, 'refused', v_refused, v_now, v_identity, v_terms)
    ELSE CONCAT_WS(' ', ${SCHEMA_VERSION}, 'granted', COALESCE(v_permit, 0), v_now, v_identity, IF(v_now < v_learning, 1, 0),
      v_reserved + v_floor * (v_most - v_members),
      v_unmet - IF(a_leaving = 1 AND a_held = 0, 0, GREATEST(0, a_base - v_permit)), v_members)
  END AS reply;`;
