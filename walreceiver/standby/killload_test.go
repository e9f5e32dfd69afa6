// SPDX-License-Identifier: Apache-2.0

package standby_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
)

// killSettings are those of the primary, which keeps all its log for the stock servers.
func killSettings(major int) map[string]string {
	all := maps.Clone(pgreplay.MixSettings)
	all["allow_in_place_tablespaces"] = "on" // a standby on the same machine needs directories of its own
	all["max_wal_size"] = "20GB"
	all["log_min_messages"] = "log" // that random transactions fail is no news
	if major >= 13 {
		all["wal_keep_size"] = "20GB"
	} else {
		all["wal_keep_segments"] = "20000"
	}
	return all
}

// killLoad works on the primary while the standby is killed.
type killLoad struct {
	primary *pgserver.Server
	stop    context.CancelFunc
	wait    sync.WaitGroup
	done    int // statements of the definitions
	undone  int // those that failed, such as by a deadlock
}

func prepareLoad(t *testing.T, s *pgserver.Server) {
	out, err := pgbench(t.Context(), s, "-i", "-s", "1").CombinedOutput()
	require.NoError(t, err, "%s", out)
	s.SQL(t, "CREATE TABLESPACE space LOCATION ''")
}

func pgbench(ctx context.Context, s *pgserver.Server, args ...string) *exec.Cmd {
	args = append([]string{"-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", "postgres", "-n"}, args...)
	return s.Command(ctx, "pgbench", append(args, "postgres")...)
}

// beginLoad starts pgbench, definitions and random transactions.
func beginLoad(t *testing.T, s *pgserver.Server) *killLoad {
	ctx, stop := context.WithCancel(t.Context())
	l := &killLoad{primary: s, stop: stop}
	bench := pgbench(ctx, s, "-c", "2", "-T", "3600", "-R", "100")
	require.NoError(t, bench.Start())
	l.wait.Go(func() { _ = bench.Wait() }) // an error: it is killed
	conn, err := s.Connect(t.Context())
	require.NoError(t, err)
	l.wait.Go(func() { l.define(ctx, conn) })
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	l.wait.Go(func() { pgreplay.Mix(ending{t, ctx}, s, seed, 2000) })
	t.Cleanup(func() {
		stop()
		l.wait.Wait()
	})
	return l
}

// ending is a test to a load that ends with a context.
type ending struct {
	testing.TB
	ctx context.Context
}

func (e ending) Context() context.Context { return e.ctx }

// definitions are made and dropped again and again; # is the number of the round, @ that of the round before.
const definitions = `
	CREATE SCHEMA s#; CREATE ROLE r#; CREATE TYPE s#.mood AS ENUM ('sad', 'ok'); ALTER TYPE s#.mood ADD VALUE 'good';
	CREATE TABLE s#.a (id serial PRIMARY KEY, t text, mood s#.mood DEFAULT 'ok', doc text, p point, UNIQUE (t));
	INSERT INTO s#.a (t, doc, p) SELECT 't' || i, repeat(md5(i::text), i % 200), point(i, i) FROM generate_series(1, 600) i;
	CREATE INDEX ON s#.a USING gist (p); CREATE INDEX ON s#.a USING hash (t); CREATE INDEX ON s#.a USING brin (id);
	CREATE VIEW s#.v AS SELECT count(*) FROM s#.a; CREATE FUNCTION s#.f(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 1';
	CREATE MATERIALIZED VIEW s#.m AS SELECT id, t FROM s#.a WHERE id % 2 = 0; CREATE UNIQUE INDEX ON s#.m (id);
	REFRESH MATERIALIZED VIEW CONCURRENTLY s#.m; GRANT SELECT ON s#.a TO r#; COMMENT ON TABLE s#.a IS 'round #';
	CREATE UNLOGGED TABLE s#.u (i int PRIMARY KEY); INSERT INTO s#.u SELECT generate_series(1, 500);
	CREATE TABLE s#.p (i int, d text) PARTITION BY RANGE (i);
	CREATE TABLE s#.p1 PARTITION OF s#.p FOR VALUES FROM (0) TO (500) TABLESPACE space;
	CREATE TABLE s#.p2 PARTITION OF s#.p DEFAULT; INSERT INTO s#.p SELECT i, md5(i::text) FROM generate_series(1, 1500) i;
	DO $$ BEGIN
		FOR i IN 1..30 LOOP
			BEGIN
				EXECUTE format('CREATE TABLE s#.t%s (id serial PRIMARY KEY, v text)', i);
				IF i % 3 = 0 THEN RAISE EXCEPTION 'undone'; END IF;
				EXECUTE format('INSERT INTO s#.t%s (v) SELECT md5(i::text) FROM generate_series(1, 50) i', i);
			EXCEPTION WHEN raise_exception THEN NULL;
			END;
		END LOOP;
	END $$;
	ALTER TABLE s#.a ADD COLUMN x int DEFAULT 7; ALTER TABLE s#.a ALTER COLUMN x TYPE bigint;
	ALTER TABLE s#.p2 SET TABLESPACE space; UPDATE s#.a SET doc = doc || 'more' WHERE id % 3 = 0;
	DELETE FROM s#.a WHERE id > 300; VACUUM s#.a; TRUNCATE s#.p1; VACUUM (FREEZE) s#.p2; CHECKPOINT;
	BEGIN; CREATE TABLE s#.aborted AS SELECT * FROM s#.a; DROP TABLE s#.t1; TRUNCATE s#.p; ROLLBACK;
	BEGIN; CREATE TABLE s#.prepared AS SELECT * FROM s#.a; DROP TABLE s#.t2; PREPARE TRANSACTION 'round #';
	CREATE DATABASE d# TEMPLATE template0; COMMIT PREPARED 'round #';
	CREATE DATABASE e# TEMPLATE d# TABLESPACE space; DROP DATABASE d#;
	VACUUM FULL pg_class; VACUUM FULL pg_database; REINDEX TABLE pg_attribute;
	CLUSTER s#.a USING a_pkey; VACUUM FULL pg_proc;
	SELECT lo_unlink(oid) FROM pg_largeobject_metadata; SELECT lo_from_bytea(0, decode(repeat('ab', 20000), 'hex'));
	DROP SCHEMA IF EXISTS s@ CASCADE; DROP DATABASE IF EXISTS e@; DROP ROLE IF EXISTS r@; CHECKPOINT`

// define runs definitions until ctx ends.
func (l *killLoad) define(ctx context.Context, conn *pgx.Conn) {
	defer conn.Close(context.WithoutCancel(ctx))
	// A prepared transaction of the others may hold a catalog that REINDEX waits for, and its session may wait for REINDEX.
	if _, err := conn.Exec(ctx, "SET lock_timeout = '1s'"); err != nil {
		return
	}
	for n := 1; ctx.Err() == nil; n++ {
		text := strings.NewReplacer("#", strconv.Itoa(n), "@", strconv.Itoa(n-1)).Replace(definitions)
		for _, sql := range splitStatements(text) {
			if ctx.Err() != nil {
				return
			}
			if _, err := conn.Exec(context.WithoutCancel(ctx), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				l.undone++
			} else {
				l.done++
			}
		}
	}
}

// splitStatements splits at semicolons outside dollar quotes.
func splitStatements(text string) []string {
	var statements []string
	for i, part := range strings.Split(text, "$$") {
		if i%2 == 1 {
			statements[len(statements)-1] += "$$" + part + "$$"
			continue
		}
		pieces := strings.Split(part, ";")
		if i > 0 {
			statements[len(statements)-1] += pieces[0]
			pieces = pieces[1:]
		}
		statements = append(statements, pieces...)
	}
	return statements
}

// end ends the load and leaves the primary at rest: with one prepared transaction, without autovacuum, and with
// sequences that a promoted standby goes on with where they are, not up to 32 values later.
func (l *killLoad) end(t *testing.T) {
	l.stop()
	l.wait.Wait()
	t.Logf("%d statements of definitions, %d failed", l.done, l.undone)
	require.Greater(t, l.done, 10*l.undone)
	s := l.primary
	s.SQL(t, "ALTER SYSTEM SET autovacuum = off")
	s.SQL(t, "SELECT pg_reload_conf()")
	require.Eventually(t, func() bool {
		return s.Value(t, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'") == "0"
	}, patience, tick)
	for _, row := range s.SQL(t, "SELECT gid FROM pg_prepared_xacts") {
		s.SQL(t, fmt.Sprintf("ROLLBACK PREPARED '%s'", row[0]))
	}
	s.SQL(t, `DO $$ DECLARE seq regclass; BEGIN
		FOR seq IN SELECT oid FROM pg_class WHERE relkind = 'S' AND relpersistence = 'p' LOOP
			EXECUTE format('SELECT setval(%L, last_value, is_called) FROM %s', seq, seq);
		END LOOP;
	END $$`)
	s.SQL(t, "BEGIN; CREATE TABLE pending AS SELECT 1 a; UPDATE pgbench_tellers SET tbalance = 0; "+
		"PREPARE TRANSACTION 'pending'")
}

// visible is what clients see.
type visible struct {
	relations map[string]string // rows and their digest by database and name: tables, catalogs too, and sequences
	dump      string            // of pg_dumpall; empty where that of the client tools is too old
}

func visibleIn(t *testing.T, s *pgserver.Server) visible {
	c := visible{relations: map[string]string{}}
	for _, row := range s.SQL(t, "SELECT datname FROM pg_database WHERE datallowconn") {
		c.digest(t, s, row[0])
	}
	require.NotEmpty(t, c.relations)
	if s.Major > pgserver.DefaultMajor {
		return c
	}
	cmd := s.Command(t.Context(), "pg_dumpall", "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", "postgres",
		"--no-unlogged-table-data")
	out, err := cmd.Output()
	require.NoError(t, err)
	var dump strings.Builder
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, `\restrict `) && !strings.HasPrefix(line, `\unrestrict `) { // random
			dump.WriteString(line)
		}
	}
	c.dump = dump.String()
	require.NotEmpty(t, c.dump)
	return c
}

// digest reads everything in a database that is in the log.
func (c *visible) digest(t *testing.T, s *pgserver.Server, database string) {
	conn, err := s.Connect(t.Context(), "dbname="+database)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), `SELECT oid::regclass::text, relkind = 'S' FROM pg_class
		WHERE relkind IN ('r', 'm', 'S') AND relpersistence = 'p'`)
	require.NoError(t, err)
	var name string
	var sequence bool
	var queries []string
	_, err = pgx.ForEachRow(rows, []any{&name, &sequence}, func() error {
		sql := fmt.Sprintf(`SELECT '%s', count(*) || ' ' || coalesce(md5(string_agg("this row"::text, '|'
			ORDER BY "this row".ctid)), '') FROM ONLY %s AS "this row"`, name, name)
		if sequence {
			sql = fmt.Sprintf("SELECT '%s', last_value || ' ' || is_called FROM %s", name, name)
		}
		queries = append(queries, sql)
		return nil
	})
	require.NoError(t, err)
	rows, err = conn.Query(t.Context(), strings.Join(queries, " UNION ALL "))
	require.NoError(t, err)
	var digest string
	_, err = pgx.ForEachRow(rows, []any{&name, &digest}, func() error {
		c.relations[database+" "+name] = digest
		return nil
	})
	require.NoError(t, err)
}

// checkSound lets PostgreSQL's own tools look at a server, and stops it. The client tools are those of one version:
// pg_checksums 15 knows the tablespaces of its own version, and pg_amcheck 15 needs the amcheck of 14.
func checkSound(t *testing.T, s *pgserver.Server) {
	if s.Major >= 14 {
		began := time.Now()
		out, err := s.Command(t.Context(), "pg_amcheck", "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", "postgres",
			"--all", "--install-missing", "--heapallindexed", "--parent-check").CombinedOutput()
		require.NoError(t, err, "pg_amcheck: %s", out)
		t.Logf("pg_amcheck is clean, after %.1f s", time.Since(began).Seconds())
	} else {
		s.SQL(t, "CREATE EXTENSION IF NOT EXISTS amcheck")
		n := s.Value(t, `SELECT count(bt_index_parent_check(c.oid, true, true)::text)
			FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE c.relkind = 'i' AND a.amname = 'btree'`)
		require.NotEqual(t, "0", n)
		t.Logf("amcheck is clean for %s indexes", n)
	}
	require.NoError(t, s.Stop(pgserver.Fast))
	if s.Major != pgserver.DefaultMajor {
		return
	}
	out, err := s.Command(t.Context(), "pg_checksums", "--check", "-D", s.DataDir).CombinedOutput()
	require.NoError(t, err, "pg_checksums: %s", out)
	t.Logf("pg_checksums is clean: %s", strings.TrimSpace(string(out)))
}
