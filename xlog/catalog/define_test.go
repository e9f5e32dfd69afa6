// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
)

// definition is a statement, or several, from a version on.
type definition struct {
	from int
	sql  string
}

// definitions put a row into every catalog that SQL can reach, values of every storage into some, and leave behind them
// what transactions leave that were undone or are not over.
var definitions = []definition{
	{0, `CREATE SCHEMA more; CREATE SCHEMA "Quoted Schema" AUTHORIZATION CURRENT_USER`},
	{0, `CREATE ROLE more_group; CREATE ROLE more_login LOGIN PASSWORD 'secret' VALID UNTIL '2031-05-04 03:02:01.5+02'
		CONNECTION LIMIT 3 IN ROLE more_group; CREATE ROLE "more ""quoted""" VALID UNTIL 'infinity'`},
	{0, `ALTER ROLE more_login SET work_mem = '8MB'; ALTER ROLE more_login IN DATABASE postgres SET search_path = more, "a b"`},
	{0, `ALTER DATABASE postgres SET log_min_messages = 'warning'; ALTER DATABASE postgres CONNECTION LIMIT 90`},
	{0, `COMMENT ON DATABASE postgres IS E'tab\there, newline\nthere, backslash \\'; COMMENT ON ROLE more_group IS 'äöü €'`},
	{0, `CREATE TYPE more.mood AS ENUM ('sad', 'so so', 'ha''ppy'); CREATE TYPE more.pair AS (a int, b text COLLATE "C", c more.mood)`},
	{0, `CREATE TYPE more.span AS RANGE (subtype = numeric); CREATE TYPE more.shell`},
	{0, `CREATE DOMAIN more.positive AS numeric(10,2) DEFAULT 1.5 CONSTRAINT pos CHECK (VALUE > 0) NOT NULL`},
	{0, `CREATE TABLE more.types (b bool, c "char", n name, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, nu numeric(20,5),
		t text, v varchar(10), ch char(5), by bytea, ts timestamp(3), tz timestamptz, d date, ti time, ttz timetz, iv interval,
		u uuid, j json, jb jsonb, ip inet, ci cidr, m macaddr, m8 macaddr8, bi bit(7), vb varbit, o oid, rc regclass, rp regproc,
		rt regtype, x xid, l pg_lsn, tv tsvector, tq tsquery, p point, bx box, ir int4range, nr numrange, sp more.span,
		md more.mood, pr more.pair, ia int[], ta text[], ma more.mood[], pa more.pair[], dm more.positive, mo money, tid tid)`},
	{0, `INSERT INTO more.types SELECT i % 2 = 0, 'x', 'name' || i, i, i * 1000, i::int8 << 33, i / 7.0, i / 3.0, i / 11.0, 'text' || i,
		'v' || i, 'c', decode(md5(i::text), 'hex'), '2020-01-01 12:00'::timestamp + i * interval '1 hour 1.234 s',
		'1999-12-31 12:00Z'::timestamptz + i * interval '1000 days', '2020-02-28'::date - i * 1000, '01:02:03.4', '01:02:03+04:30',
		i * interval '1 mon -2 days 3 seconds', md5(i::text)::uuid, '{"a": 1}', '{"a": [1, 2.50, null, "x"]}', '10.0.0.1/8', '10.1.0.0/16',
		'08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', B'1010101', B'101', i, 'pg_class', 'now', 'int4[]', i::text::xid, '1/ABCDEF',
		'a fat:1A cat', 'fat & (rat | !cat)', point(i, i/2.0), box(point(1,2), point(3,4)), int4range(i, i+10), numrange(i, NULL), more.span(1.5, 2.50),
		(ARRAY['sad','so so','ha''ppy'])[i % 3 + 1]::more.mood, ROW(i, 'a "b", c', 'sad')::more.pair, ARRAY[i, NULL, 3], ARRAY['a', NULL, 'b "c"', 'NULL', ''],
		ARRAY['sad']::more.mood[], ARRAY[ROW(1, 'x', NULL)::more.pair], 1.25, 12.34, '(1,2)' FROM generate_series(1, 400) i`},
	{0, `INSERT INTO more.types SELECT FROM generate_series(1, 20)`},
	{0, `CREATE STATISTICS more.st1 (ndistinct, dependencies) ON i2, i4, c FROM more.types; ALTER STATISTICS more.st1 OWNER TO more_group`},
	{0, `CREATE STATISTICS more.st2 (mcv) ON b, md, t FROM more.types`},
	{14, `CREATE STATISTICS more.st3 ON (i2 % 5), lower(t) FROM more.types`},
	{0, `CREATE INDEX ON more.types (lower(t), (i4 + 1)) WHERE b; CREATE INDEX ON more.types (t text_pattern_ops DESC NULLS LAST)`},
	{0, `ALTER TABLE more.types ALTER t SET STATISTICS 200, ALTER i4 SET (n_distinct = -0.5)`},
	{0, `ANALYZE; ANALYZE more.types`},
	// Values out of line in catalogs: compressed and not, of both methods.
	{0, `DO $$ DECLARE long text := (SELECT string_agg(md5(i::text), ' ') FROM generate_series(1, 3000) i); BEGIN
		EXECUTE format('CREATE FUNCTION more.long() RETURNS text LANGUAGE sql AS %L', 'SELECT ' || quote_literal(long));
		EXECUTE format('COMMENT ON SCHEMA more IS %L', long);
		EXECUTE format('COMMENT ON FUNCTION more.long() IS %L', repeat('again and again ', 20000));
		EXECUTE format('CREATE VIEW more.wide AS SELECT %s', (SELECT string_agg(format('%s AS c%s', i, i), ',') FROM generate_series(1, 1000) i));
		END $$`},
	{14, `DO $$ DECLARE long text := (SELECT string_agg(md5(i::text) || '          ', ' ') FROM generate_series(1, 3000) i); BEGIN
		SET LOCAL default_toast_compression = 'lz4';
		EXECUTE format('COMMENT ON TABLE more.types IS %L', long);
		EXCEPTION WHEN invalid_parameter_value OR feature_not_supported THEN NULL; END $$`},
	{0, `CREATE TABLE more.stored (p text, e text, m text, x text, b bytea); ALTER TABLE more.stored ALTER p SET STORAGE PLAIN,
		ALTER e SET STORAGE EXTERNAL, ALTER m SET STORAGE MAIN`},
	{0, `INSERT INTO more.stored SELECT repeat('p', i), repeat('e', i * 100), repeat('m', i * 100), string_agg(md5((i * j)::text), ''),
		decode(repeat('00ff', i * 20), 'hex') FROM generate_series(1, 150) i, generate_series(1, 200) j GROUP BY i`},
	{0, `ALTER TABLE more.stored ADD later text DEFAULT 'was not there', ADD number numeric DEFAULT 1.50, ADD moods more.mood[] DEFAULT '{sad}',
		ADD none int, ADD gone int DEFAULT 5`},
	{0, `INSERT INTO more.stored (p) VALUES ('has all'); ALTER TABLE more.stored DROP gone, DROP m`},
	// Everything that has a catalog of its own.
	{0, `CREATE FUNCTION more.add(int, b int DEFAULT 7, VARIADIC c text[] DEFAULT '{}', OUT d int, OUT e text) LANGUAGE sql IMMUTABLE STRICT
		PARALLEL SAFE COST 7 SET work_mem = '1MB' AS 'SELECT $1 + $2, ''x'''`},
	{0, `CREATE FUNCTION more.cmp(more.pair, more.pair) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 0';
		CREATE FUNCTION more.lt(more.pair, more.pair) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT false';
		CREATE OPERATOR more.<<< (LEFTARG = more.pair, RIGHTARG = more.pair, FUNCTION = more.lt, COMMUTATOR = OPERATOR(more.>>>), RESTRICT = scalarltsel);
		CREATE OPERATOR FAMILY more.fam USING btree; CREATE OPERATOR CLASS more.ops FOR TYPE more.pair USING btree FAMILY more.fam AS
		OPERATOR 1 more.<<<, FUNCTION 1 more.cmp(more.pair, more.pair)`},
	{0, `CREATE AGGREGATE more.sum(int) (SFUNC = int4pl, STYPE = int, INITCOND = '-5', COMBINEFUNC = int4pl)`},
	{0, `CREATE FUNCTION more.to_text(more.pair) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ($1).b'; CREATE CAST (more.pair AS text)
		WITH FUNCTION more.to_text(more.pair) AS ASSIGNMENT`},
	{0, `CREATE CONVERSION more.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8; CREATE COLLATION more.coll (locale = 'C')`},
	{0, `CREATE TEXT SEARCH TEMPLATE more.template (LEXIZE = dsimple_lexize, INIT = dsimple_init); CREATE TEXT SEARCH DICTIONARY more.dict
		(TEMPLATE = more.template, Accept = false); CREATE TEXT SEARCH PARSER more.parser (START = prsd_start, GETTOKEN = prsd_nexttoken,
		END = prsd_end, LEXTYPES = prsd_lextype); CREATE TEXT SEARCH CONFIGURATION more.conf (PARSER = more.parser);
		ALTER TEXT SEARCH CONFIGURATION more.conf ADD MAPPING FOR asciiword WITH more.dict, simple`},
	{0, `CREATE FOREIGN DATA WRAPPER more_fdw OPTIONS (a 'b c', "d" 'e,f'); CREATE SERVER more_server TYPE 't' VERSION '1' FOREIGN DATA WRAPPER more_fdw
		OPTIONS (host 'x'); CREATE USER MAPPING FOR PUBLIC SERVER more_server OPTIONS (password 'p'); CREATE FOREIGN TABLE more.foreign
		(a int OPTIONS (col 'z') NOT NULL) SERVER more_server OPTIONS (t 'u')`},
	{0, `CREATE ACCESS METHOD more_am TYPE INDEX HANDLER bthandler; CREATE LANGUAGE more_lang HANDLER plpgsql_call_handler`},
	{0, `CREATE TRANSFORM FOR bytea LANGUAGE plpgsql (FROM SQL WITH FUNCTION prsd_lextype(internal))`},
	{0, `CREATE TABLE more.ranged (a int, b text) PARTITION BY RANGE (a, lower(b)); CREATE TABLE more.range1 PARTITION OF more.ranged FOR VALUES
		FROM (1, MINVALUE) TO (10, 'z'); CREATE TABLE more.parted (a int, b text) PARTITION BY LIST (a); CREATE TABLE more.part1 PARTITION OF more.parted
		FOR VALUES IN (1, NULL); CREATE TABLE more.part2 PARTITION OF more.parted DEFAULT PARTITION BY HASH (b); CREATE TABLE more.part21 PARTITION OF
		more.part2 FOR VALUES WITH (MODULUS 3, REMAINDER 1); CREATE INDEX ON more.parted (b)`},
	{0, `CREATE TABLE more.constrained (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, a int REFERENCES more.constrained (id) ON UPDATE CASCADE
		DEFERRABLE INITIALLY DEFERRED, r int4range, g int GENERATED ALWAYS AS (a * 2) STORED, CHECK (a > 0), UNIQUE (a), EXCLUDE USING gist (r WITH &&))`},
	{0, `CREATE FUNCTION more.trig() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER trig AFTER UPDATE OF a, r ON more.constrained
		FOR EACH ROW WHEN (old.a > 1) EXECUTE FUNCTION more.trig('arg', E'two\\\\000\tthree'); CREATE TRIGGER trig2 AFTER UPDATE ON more.constrained
		REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION more.trig()`},
	{0, `CREATE FUNCTION more.evt() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER more_evt ON sql_drop
		WHEN TAG IN ('DROP TABLE', 'DROP VIEW') EXECUTE FUNCTION more.evt(); ALTER EVENT TRIGGER more_evt DISABLE`},
	{0, `ALTER TABLE more.types ENABLE ROW LEVEL SECURITY; CREATE POLICY pol ON more.types FOR UPDATE TO more_group, more_login USING (i4 > 0) WITH CHECK (t <> '')`},
	{0, `CREATE RULE rule AS ON INSERT TO more.stored WHERE new.p = 'no' DO INSTEAD NOTHING`},
	{0, `GRANT SELECT (a), UPDATE (r) ON more.constrained TO more_login WITH GRANT OPTION; GRANT ALL ON SCHEMA more TO "more ""quoted""";
		GRANT USAGE ON TYPE more.mood TO PUBLIC; GRANT EXECUTE ON FUNCTION more.add TO more_login; GRANT CREATE ON TABLESPACE pg_default TO more_login;
		REVOKE CONNECT ON DATABASE template1 FROM PUBLIC; REVOKE ALL ON LANGUAGE plpgsql FROM PUBLIC; GRANT USAGE ON FOREIGN SERVER more_server TO more_login`},
	{0, `ALTER DEFAULT PRIVILEGES FOR ROLE more_group GRANT SELECT ON TABLES TO PUBLIC; ALTER DEFAULT PRIVILEGES IN SCHEMA more REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC`},
	{15, `GRANT SET, ALTER SYSTEM ON PARAMETER work_mem TO more_login`},
	{0, `CREATE PUBLICATION more_pub FOR TABLE more.types, more.constrained WITH (publish = 'insert, delete'); CREATE PUBLICATION more_all FOR ALL TABLES`},
	{15, `CREATE PUBLICATION more_filtered FOR TABLE more.stored (p, e) WHERE (p <> 'x');
		CREATE PUBLICATION more_schemas FOR TABLES IN SCHEMA "Quoted Schema"`},
	{0, `CREATE SUBSCRIPTION more_sub CONNECTION 'host=nowhere password=x' PUBLICATION a, "B c" WITH (connect = false, slot_name = NONE);
		ALTER SUBSCRIPTION more_sub OWNER TO CURRENT_USER`},
	{0, `SELECT pg_replication_origin_create('more_origin')`},
	{0, `SELECT lo_from_bytea(0, decode(repeat('0102ff', 3000), 'hex')); SELECT lo_from_bytea(99999, 'x'); GRANT SELECT ON LARGE OBJECT 99999 TO more_login`},
	{0, `ALTER TABLE more.types REPLICA IDENTITY FULL; ALTER TABLE more.stored SET (fillfactor = 50, autovacuum_enabled = false, toast.autovacuum_enabled = false)`},
	{0, `CREATE TABLE more.child () INHERITS (more.stored); CREATE SEQUENCE more.seq AS smallint INCREMENT -3 MINVALUE -300 CYCLE`},
	{0, `CREATE TABLE more.odd ("Col ""1""" int, "select" text DEFAULT E'quote '' \\ newline\n'); COMMENT ON COLUMN more.odd."select" IS ''`},
	// Catalogs written anew, and rows of transactions that were undone.
	{0, `VACUUM FULL pg_class; VACUUM FULL pg_description; VACUUM FULL pg_proc; VACUUM FULL pg_authid; REINDEX TABLE pg_shdescription; VACUUM FREEZE pg_type`},
	{0, `BEGIN; CREATE TABLE more.undone (a int PRIMARY KEY, b text); SAVEPOINT s; COMMENT ON TABLE more.undone IS 'x'; DROP TABLE more.odd; ROLLBACK TO s;
		DROP SCHEMA more CASCADE; ROLLBACK`},
	{0, `BEGIN; SAVEPOINT a; CREATE TABLE more.kept (a int); SAVEPOINT b; ALTER TABLE more.kept ADD b int; RELEASE b; SAVEPOINT c; DROP TABLE more.kept;
		ROLLBACK TO c; COMMIT`},
	{0, `CREATE DATABASE more_db TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'; ALTER DATABASE more_db RENAME TO "more ""db"""`},
}

// define makes everything of definitions, and leaves transactions open until the server stops.
func define(t *testing.T, s *pgserver.Server) {
	ctx := t.Context()
	conn, err := s.Connect(ctx)
	require.NoError(t, err)
	defer conn.Close(ctx)
	for _, d := range definitions {
		if s.Major >= d.from {
			defineOne(t, conn, d.sql)
		}
	}
	lockInTwos(t, s, conn)
}

func defineOne(t *testing.T, conn *pgx.Conn, sql string) {
	for _, statement := range statements(sql) {
		_, err := conn.Exec(t.Context(), statement, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err, "%.300s", statement)
	}
}

// statements are what must be sent one by one: some statements cannot be in a transaction with others.
func statements(sql string) []string {
	if strings.HasPrefix(sql, "VACUUM") || strings.HasPrefix(sql, "CREATE DATABASE") || strings.HasPrefix(sql, "BEGIN") {
		return strings.Split(sql, ";")
	}
	return []string{sql}
}

// lockInTwos leaves rows of catalogs behind that several transactions have locked, one of which has changed them: their
// multixact says who. Then there are transactions that are still open when everything is compared.
func lockInTwos(t *testing.T, s *pgserver.Server, a *pgx.Conn) {
	b, err := s.Connect(t.Context())
	require.NoError(t, err)
	exec := func(c *pgx.Conn, sql string) {
		_, err := c.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
	const lock = `SELECT FROM pg_namespace WHERE nspname IN ('more', 'Quoted Schema') FOR KEY SHARE`
	exec(a, `BEGIN`)
	exec(b, `BEGIN`)
	exec(a, lock)
	exec(b, lock)
	exec(b, `UPDATE pg_namespace SET nspacl = NULL WHERE nspname = 'Quoted Schema'`)
	exec(a, `COMMIT`)
	exec(b, `COMMIT`)
	exec(a, `BEGIN`)
	exec(b, `BEGIN`)
	exec(a, lock)
	exec(b, lock)
	exec(b, `UPDATE pg_namespace SET nspacl = '{}' WHERE nspname = 'more'`)
	exec(b, `ROLLBACK`)
	exec(b, `BEGIN`)
	exec(b, `CREATE TABLE more.open (a int); COMMENT ON TABLE more.open IS 'not seen'`)
	exec(b, `UPDATE pg_namespace SET nspacl = '{}' WHERE nspname = 'public'`)
	t.Cleanup(func() { _ = b.Close(t.Context()) })
}
