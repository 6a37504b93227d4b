// What the PostgreSQL coordinator puts into a database: two tables, two views for people, and the step (allocator.ts) as one function.
//
// The tables are UNLOGGED. That makes a heartbeat cheap (no write-ahead log, so no wait for the disk), and it makes the engine forget in
// the right moments: after a crash and on a promoted replica they are empty, and the fleet learns anew. After an orderly restart they are
// not, and the identity, which is when the server was started, has changed.
//
// Each heartbeat INSERTs and DELETEs instead of updating in place, and finds the newest row from the right end of an index. Where a
// long transaction (a dump, a report) keeps every old version alive for an hour, an UPDATE would walk through all of them each time.
// For the same reason the search for silent members begins where the last one ended (`swept_at`).
//
// The function takes its arguments as texts and one array, so that a later version can know more of them. It carries its version as a
// comment. A library that is newer replaces it, one that is older uses it: members of different versions stay one fleet.

/** Of the function. To be raised with each change of what is created here. */
export const SCHEMA_VERSION = 1;

export function postgresSchema(schema: string): string {
  return `${tables(schema)}\n${heartbeat(schema)}\n${views(schema)}
COMMENT ON FUNCTION ${schema}.fleet_heartbeat(text, text, text, text, text, bigint[], bigint, text) IS 'millpond fleet ${SCHEMA_VERSION}';`;
}

const tables = (schema: string): string => `
CREATE SCHEMA IF NOT EXISTS ${schema};
CREATE UNLOGGED TABLE IF NOT EXISTS ${schema}.fleet_state (
  fleet text NOT NULL, n bigint NOT NULL, identity text NOT NULL, terms text NOT NULL, learning_until bigint NOT NULL,
  seen_at bigint NOT NULL, swept_at bigint NOT NULL, came bigint NOT NULL, members bigint NOT NULL, reserved bigint NOT NULL,
  unmet bigint NOT NULL, base_sum bigint NOT NULL, base_weight bigint NOT NULL, head_sum bigint NOT NULL, head_weight bigint NOT NULL,
  base_ends bigint[] NOT NULL, head_ends bigint[] NOT NULL,
  PRIMARY KEY (fleet, n)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE UNLOGGED TABLE IF NOT EXISTS ${schema}.fleet_seat (
  fleet text NOT NULL, member text NOT NULL, seq bigint NOT NULL, name text NOT NULL, ordinal bigint NOT NULL, held bigint NOT NULL,
  permit bigint NOT NULL, reserved bigint NOT NULL, base bigint NOT NULL, demand bigint NOT NULL, weight bigint NOT NULL,
  lends bigint NOT NULL, leaving boolean NOT NULL, short_ms bigint NOT NULL, heard_at bigint NOT NULL,
  PRIMARY KEY (fleet, member, seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX IF NOT EXISTS fleet_seat_heard ON ${schema}.fleet_seat (fleet, heard_at);`;

const CLOCK = 'floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint';

const views = (schema: string): string => `
CREATE OR REPLACE VIEW ${schema}.fleets AS
SELECT DISTINCT ON (s.fleet) s.fleet, t[1] AS "limit", t[2] AS guard, t[3] AS floor,
  s.reserved + t[3] * (t[4] - s.members) AS reserved, t[1] - t[2] - s.reserved - t[3] * (t[4] - s.members) AS free, s.members,
  greatest(0, s.learning_until - ${CLOCK}) AS learning_ms
FROM ${schema}.fleet_state s, LATERAL (SELECT string_to_array(s.terms, ' ')::bigint[] AS t) AS terms
ORDER BY s.fleet, s.n DESC;
CREATE OR REPLACE VIEW ${schema}.fleet_members AS
SELECT fleet, name, held, permit, reserved, base AS needs, demand AS wants, weight, lends, leaving, short_ms,
  ${CLOCK} - heard_at AS silent_ms
FROM ${schema}.fleet_seat;`;

const heartbeat = (schema: string): string => `
CREATE OR REPLACE FUNCTION ${schema}.fleet_heartbeat(
  a_fleet text, a_member text, a_name text, a_identity text, a_terms text, a bigint[], at_ms bigint, at_identity text
) RETURNS text LANGUAGE plpgsql VOLATILE SET lock_timeout = '1s' SET enable_seqscan = off SET enable_bitmapscan = off AS $fleet$
${DECLARE}
BEGIN
${look(schema)}
${decide(schema)}
END $fleet$;`;

const DECLARE = `DECLARE
  seq CONSTANT bigint := a[1]; held CONSTANT bigint := a[2]; has CONSTANT bigint := a[3]; a_weight CONSTANT bigint := a[6];
  leaving CONSTANT boolean := a[7] = 1; lends CONSTANT bigint := a[8]; lends_until CONSTANT bigint := a[9];
  a_base bigint := a[4]; a_demand bigint := a[5];
  now_ms bigint := at_ms; identity text := at_identity;
  s record; seat record; known record; is_known boolean; last_n bigint;
  t bigint[]; l bigint; f bigint; most bigint; tail bigint; free bigint; kind int;
  changes bigint[] := '{}'; c bigint[]; ends bigint[]; q bigint; r bigint; base_ends bigint[]; head_ends bigint[];
  others bigint; loan bigint := 0; least bigint := 0; keeps bigint := 0; permit bigint := 0; part bigint;
  fast bigint; slow bigint; amount bigint; total bigint; room bigint; level bigint; taken bigint; full_share bigint; next_share bigint;
  refused text;`;

const look = (schema: string): string => `
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'a heartbeat of a fleet needs READ COMMITTED, not %', current_setting('transaction_isolation');
  END IF;
  PERFORM pg_advisory_xact_lock(1835625588, hashtext(a_fleet));
  now_ms := coalesce(now_ms, ${CLOCK});
  identity := coalesce(identity, floor(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint::text);
  SELECT * INTO s FROM ${schema}.fleet_state WHERE fleet = a_fleet ORDER BY n DESC LIMIT 1;
  last_n := s.n;
  IF last_n IS NOT NULL AND s.identity = identity THEN
    now_ms := greatest(now_ms, s.seen_at);
    tail := (SELECT sum(x) FROM unnest((string_to_array(s.terms, ' ')::bigint[])[5:7]) AS x);
    FOR seat IN SELECT * FROM ${schema}.fleet_seat
      WHERE fleet = a_fleet AND heard_at > s.swept_at AND heard_at <= now_ms - tail ORDER BY heard_at LIMIT 32
    LOOP
      changes := changes || ARRAY[seat.base, seat.demand - seat.base, seat.weight, -1];
      s.members := s.members - 1;
      s.reserved := s.reserved - seat.reserved;
      s.unmet := s.unmet - greatest(0, seat.base - seat.permit);
      DELETE FROM ${schema}.fleet_seat WHERE fleet = a_fleet AND member = seat.member AND fleet_seat.seq = seat.seq;
      kind := coalesce(kind, 0) + 1;
      others := seat.heard_at;
    END LOOP;
    s.swept_at := CASE WHEN kind = 32 THEN others - 1 ELSE greatest(s.swept_at, now_ms - tail) END;
  END IF;
  IF last_n IS NULL OR s.identity <> identity OR (s.members = 0 AND s.terms <> a_terms) THEN
    DELETE FROM ${schema}.fleet_seat WHERE fleet = a_fleet;
    tail := a[11];
    changes := '{}';
    SELECT 0::bigint AS n, identity AS identity, a_terms AS terms, now_ms + tail AS learning_until, now_ms AS seen_at,
      now_ms - 1 AS swept_at, 0::bigint AS came, 0::bigint AS members, 0::bigint AS reserved,
      0::bigint AS unmet, 0::bigint AS base_sum,
      0::bigint AS base_weight, 0::bigint AS head_sum, 0::bigint AS head_weight, '{}'::bigint[] AS base_ends, '{}'::bigint[] AS head_ends
      INTO s;
  END IF;
  s.seen_at := now_ms;
  t := string_to_array(s.terms, ' ')::bigint[];
  l := t[1] - t[2]; f := t[3]; most := t[4];
  SELECT * INTO known FROM ${schema}.fleet_seat k
    WHERE k.fleet = a_fleet AND k.member = a_member ORDER BY k.seq DESC LIMIT 1;
  is_known := FOUND;
  IF s.terms <> a_terms THEN refused := 'terms';
  ELSIF is_known AND seq <= known.seq THEN refused := 'overtaken';
  ELSIF NOT is_known AND s.members >= most AND NOT (leaving AND held = 0) THEN refused := 'full';
  ELSIF is_known THEN
    s.reserved := s.reserved - known.reserved;
    s.unmet := s.unmet - greatest(0, known.base - known.permit);
    s.members := s.members - 1;
    changes := changes || ARRAY[known.base, known.demand - known.base, known.weight, -1];
    DELETE FROM ${schema}.fleet_seat WHERE fleet = a_fleet AND member = a_member AND fleet_seat.seq = known.seq;
  END IF;
  IF refused IS NULL AND NOT (leaving AND held = 0) THEN
    a_base := CASE WHEN leaving THEN 0 ELSE least(a_base, l) END;
    a_demand := CASE WHEN leaving THEN 0 ELSE greatest(a_base, least(a_demand, l)) END;
    changes := changes || ARRAY[a_base, a_demand - a_base, a_weight, 1];
    s.members := s.members + 1;
    IF NOT is_known THEN s.came := s.came + 1; END IF;
  END IF;`;

/** What was needed before and is not any more, and what is needed now. */
const NOTE = `
  base_ends := s.base_ends;
  head_ends := s.head_ends;
  FOR i IN 1 .. coalesce(array_length(changes, 1), 0) / 4 LOOP
    c := changes[i * 4 - 3 : i * 4];
    q := c[1] / c[3];
    r := c[1] % c[3];
    base_ends[q + 1] := coalesce(base_ends[q + 1], 0) + c[4] * (c[3] - r);
    base_ends[q + 2] := coalesce(base_ends[q + 2], 0) + c[4] * r;
    q := c[2] / c[3];
    r := c[2] % c[3];
    head_ends[q + 1] := coalesce(head_ends[q + 1], 0) + c[4] * (c[3] - r);
    head_ends[q + 2] := coalesce(head_ends[q + 2], 0) + c[4] * r;
    s.base_sum := s.base_sum + c[4] * c[1];
    s.base_weight := s.base_weight + c[4] * c[3];
    s.head_sum := s.head_sum + c[4] * c[2];
    s.head_weight := s.head_weight + c[4] * c[3];
  END LOOP;`;

/** What it may have, and what is kept for it. */
const PERMIT = `
    others := s.reserved + f * (most - s.members);
    keeps := f;
    IF NOT leaving THEN
      IF a_identity = s.identity AND lends_until - now_ms >= 2 * tail THEN loan := least(lends, f); END IF;
      least := greatest(0, f - lends);
      keeps := f - loan;
      permit := has;
      IF now_ms >= s.learning_until THEN
        free := (l + 19) / 20;
        q := CASE WHEN is_known THEN known.ordinal ELSE s.came END;
        fast := (q + now_ms / 100) % 65536 * 40503 % 65536;
        slow := (q + now_ms / 5000) % 65536 * 40503 % 65536;
        permit := 0;
        FOR kind IN 1 .. 2 LOOP
          IF kind = 1 THEN ends := base_ends; amount := a_base; total := s.base_sum; taken := s.base_weight; room := l;
          ELSE ends := head_ends; amount := a_demand - a_base; total := s.head_sum; taken := s.head_weight;
            room := greatest(0, l - free - s.base_sum); fast := slow;
          END IF;
          part := amount;
          IF total > room THEN
            level := 0;
            taken := taken - coalesce(ends[1], 0);
            WHILE room >= taken LOOP
              room := room - taken;
              level := level + 1;
              taken := taken - coalesce(ends[level + 1], 0);
            END LOOP;
            full_share := least(amount, a_weight * level);
            next_share := least(a_weight, amount - full_share);
            part := full_share
              + (next_share * room * 65536 + CASE WHEN level = 0 THEN fast ELSE slow END * taken) / (taken * 65536);
          END IF;
          permit := permit + CASE WHEN kind = 1 THEN part ELSE greatest(0, least(part, l - others - permit - s.unmet)) END;
        END LOOP;
        IF permit = 0 AND a_base > 0 AND greatest(held, has) = 0 AND NOT (is_known AND known.reserved > 0) THEN permit := 1;
        ELSIF others + greatest(held, has) <= l - free THEN permit := greatest(permit, held, has); END IF;
      END IF;
    END IF;
    permit := greatest(least, least(permit, l - others));
    keeps := greatest(keeps, held, has, permit);
    s.reserved := s.reserved + keeps;
    s.unmet := s.unmet + greatest(0, a_base - permit);`;

const decide = (schema: string): string => `${NOTE}
  IF refused IS NULL AND NOT (leaving AND held = 0) THEN
    ${PERMIT.trim()}
    INSERT INTO ${schema}.fleet_seat VALUES (a_fleet, a_member, seq, a_name,
      CASE WHEN is_known THEN known.ordinal ELSE s.came END, held, permit, keeps, a_base, a_demand, a_weight, loan, leaving, a[10], now_ms);
  END IF;
  DELETE FROM ${schema}.fleet_state WHERE fleet = a_fleet AND n = last_n;
  INSERT INTO ${schema}.fleet_state VALUES (a_fleet, coalesce(last_n, 0) + 1, s.identity, s.terms, s.learning_until, s.seen_at,
    s.swept_at, s.came, s.members, s.reserved, s.unmet, s.base_sum, s.base_weight, s.head_sum, s.head_weight, base_ends, head_ends);
  IF refused = 'overtaken' THEN RETURN '${SCHEMA_VERSION} overtaken'; END IF;
  IF refused IS NOT NULL THEN
    RETURN concat_ws(' ', ${SCHEMA_VERSION}, 'refused', refused, now_ms, s.identity, s.terms);
  END IF;
  RETURN concat_ws(' ', ${SCHEMA_VERSION}, 'granted', permit, now_ms, s.identity, (now_ms < s.learning_until)::int,
    s.reserved + f * (most - s.members),
    s.unmet - CASE WHEN leaving AND held = 0 THEN 0 ELSE greatest(0, a_base - permit) END, s.members);`;
