// SPDX-License-Identifier: Apache-2.0

package changes_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog/catalog/changes"
)

// early is what two transactions do before the base is made: the feed learns of them from pages alone.
const early = `
	early BEGIN
	early CREATE TABLE early (a int PRIMARY KEY, b text)
	early SAVEPOINT s
	early CREATE TABLE early_undone (a int)
	early ROLLBACK TO s
	early SAVEPOINT s
	early ALTER TABLE early ADD c int DEFAULT 3
	two BEGIN
	two CREATE TABLE prepared_early (a int PRIMARY KEY)
	two PREPARE TRANSACTION 'early'`

// story is what a feed has to see through, each line a session and its statement, which goes on in lines with more
// before them.
const story = `
	a CREATE TABLE t (a int, b text, c text[])
	a INSERT INTO t SELECT i, md5(i::text), ARRAY['x' || i % 3] FROM generate_series(1, 3000) i
	a CREATE INDEX ON t (a)
	a ANALYZE t
	a VACUUM (FREEZE) t
	early INSERT INTO early SELECT i FROM generate_series(1, 10) i
	early COMMIT
	a COMMIT PREPARED 'early'

	-- Long values, out of line, in a row that is updated twice and deleted.
	a SET check_function_bodies = off
	a DO $$ BEGIN EXECUTE format('CREATE FUNCTION long() RETURNS text LANGUAGE sql AS %L',
		(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 2000) i)); END $$
	a DO $$ BEGIN EXECUTE format('CREATE OR REPLACE FUNCTION long() RETURNS text LANGUAGE sql AS %L',
		(SELECT string_agg(md5(i::text), '') FROM generate_series(9, 3000) i)); END $$
	a ALTER FUNCTION long() COST 7
	a CREATE VIEW v AS SELECT a, b, c, a AS a1, b AS b1, c AS c1, a AS a2, b AS b2, c AS c2, long()
		FROM t JOIN t u USING (a, b, c)

	-- Catalogs are written anew while transactions that changed them go on.
	a BEGIN
	a CREATE TABLE ta (x int)
	a ALTER TABLE t ADD d int
	b BEGIN
	b CREATE TABLE tb (x int)
	b COMMENT ON TABLE tb IS 'undone'
	b SAVEPOINT s
	b DROP VIEW v
	b ROLLBACK TO s
	c VACUUM FULL pg_class
	c VACUUM FULL pg_depend
	c VACUUM FULL pg_attribute
	c VACUUM FULL pg_type
	c VACUUM FULL pg_proc
	a ALTER TABLE ta ADD y int
	a DROP VIEW v
	b ALTER TABLE tb ADD y int
	a COMMIT
	b ROLLBACK
	c VACUUM FULL pg_database
	c VACUUM FULL pg_statistic
	c REINDEX TABLE pg_class
	c REINDEX TABLE pg_proc

	-- A catalog is written anew amid the changes of one transaction.
	c BEGIN; CREATE FUNCTION f1() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION long() COST 9;
		CLUSTER pg_proc USING pg_proc_oid_index; CREATE FUNCTION f2() RETURNS int LANGUAGE sql AS 'SELECT 2';
		DROP FUNCTION f1(); ALTER FUNCTION long() COST 10; COMMIT
	c BEGIN; CREATE TABLE tc (a int); CLUSTER pg_depend USING pg_depend_depender_index;
		ALTER TABLE tc ADD b int; DROP FUNCTION f2(); COMMIT

	-- A row that others lock while it is updated.
	a BEGIN
	a SELECT relname FROM pg_class WHERE relname = 't' FOR KEY SHARE
	b BEGIN
	b ALTER TABLE t SET (fillfactor = 80)
	b ALTER TABLE t RENAME COLUMN d TO e
	a COMMIT
	b COMMIT

	-- Subtransactions, kept and undone, and one that drops what others made.
	a DO $$ BEGIN FOR i IN 1..80 LOOP
		BEGIN EXECUTE format('CREATE TABLE s%s (a int)', i); IF i % 4 = 0 THEN RAISE EXCEPTION 'no'; END IF;
		EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$
	a BEGIN
	a DROP TABLE s1, s2
	a SAVEPOINT s
	a DROP TABLE s3
	a ROLLBACK TO s
	a CREATE TABLE s1 (b text)
	a ALTER TABLE s1 RENAME TO s1b
	a COMMIT

	-- Prepared ones, over a restart.
	a BEGIN
	a CREATE TABLE p1 (a serial PRIMARY KEY)
	a SAVEPOINT s
	a DROP FUNCTION long()
	a PREPARE TRANSACTION 'kept'
	b BEGIN
	b CREATE TABLE p2 (a int)
	b PREPARE TRANSACTION 'undone'
	a CREATE ROLE someone
	restart
	a GRANT SELECT ON t TO someone
	a COMMIT PREPARED 'kept'
	a ROLLBACK PREPARED 'undone'

	-- Everything else.
	a SELECT lo_from_bytea(70000, decode(repeat('ab', 5000), 'hex'))
	a SELECT lo_put(70000, 2000, decode(repeat('cd', 3000), 'hex'))
	a SELECT lo_unlink(70000)
	a REINDEX TABLE CONCURRENTLY t
	a ALTER TABLE t ALTER a TYPE bigint
	a TRUNCATE t
	a CREATE DATABASE other
	a ALTER DATABASE other SET work_mem = '8MB'
	a ALTER DATABASE other RENAME TO another
	a DROP DATABASE another
	a UPDATE pg_class SET relname = relname WHERE relname = 't'
	a DROP OWNED BY someone
	a DROP TABLE t
	a VACUUM (FREEZE)`

// TestFeed compares the feed with dumps of a real server's catalogs for each statement of the story.
func TestFeed(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		r := &recorder{last: map[string]*dump{}}
		p := &players{recorder: r, sessions: map[string]*pgx.Conn{}}
		defer p.close()
		source := pgreplay.RecordLoad(t, pgserver.Options{Major: major, Settings: map[string]string{
			"autovacuum": "off", "max_prepared_transactions": "5", "synchronous_commit": "off", "lock_timeout": "30s",
		}}, func(t testing.TB, s *pgserver.Server, dir string) {
			r.t, r.server = t, s
			p.play(early)
			pgreplay.Online(t, s, dir)
		}, func(*pgserver.Server) {
			p.play(story)
			p.whole()
			p.close()
		})
		txs := follow(t, source, changes.Config{})
		compare(t, r.steps, txs)
		checkRewrites(t, r.steps, txs)
		checkInPlace(t, txs)
	})
}

// players run the statements of a story in their sessions.
type players struct {
	*recorder
	sessions map[string]*pgx.Conn
}

func (p *players) play(story string) {
	for line := range strings.Lines(strings.ReplaceAll(story, "\n\t\t", " ")) {
		name, sql, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name {
		case "", "--":
		case "restart":
			p.close()
			require.NoError(p.t, p.server.Restart(pgserver.Fast))
		default:
			p.each("postgres", sql, func() { p.exec(name, sql) })
		}
	}
}

func (p *players) exec(name, sql string) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if p.sessions[name] == nil {
		conn, err := p.server.Connect(ctx)
		require.NoError(p.t, err)
		p.sessions[name] = conn
	}
	_, err := p.sessions[name].Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	require.NoError(p.t, err, sql)
}

func (p *players) close() {
	p.disconnect(context.Background())
	for name, conn := range p.sessions {
		_ = conn.Close(context.Background())
		delete(p.sessions, name)
	}
}

// checkRewrites looks whether VACUUM FULL of a catalog changes no row but in pg_class, which says where the files
// are.
func checkRewrites(t *testing.T, steps []step, txs []*changes.Transaction) {
	seen := 0
	for _, s := range steps {
		if !strings.HasPrefix(s.sql, "VACUUM FULL pg_") {
			continue
		}
		seen++
		for _, tx := range within(txs, s.begin, s.end) {
			for _, c := range tx.Changes {
				require.Equal(t, "pg_class", c.Catalog, s.sql)
				require.Contains(t, []changes.Op{changes.Update, changes.InPlace}, c.Op, s.sql)
			}
		}
	}
	require.NotZero(t, seen)
}

// checkInPlace looks for the columns that servers overwrite in place.
func checkInPlace(t *testing.T, txs []*changes.Transaction) {
	seen := map[string]int{}
	for _, tx := range txs {
		if !tx.InPlace {
			continue
		}
		require.Len(t, tx.Changes, 1)
		c := tx.Changes[0]
		for i, v := range c.New.Values {
			if v != c.Old.Values[i] {
				seen[fmt.Sprintf("%s.%s", c.Catalog, c.New.Columns[i])]++
			}
		}
	}
	t.Logf("overwritten in place: %v", seen)
	for _, column := range []string{
		"pg_class.relpages", "pg_class.reltuples", "pg_class.relhasindex", "pg_class.relfrozenxid",
		"pg_database.datfrozenxid",
	} {
		require.NotZero(t, seen[column], column)
	}
}
