// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"
	"maps"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pagecompare"
	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
)

// TestHeapStandby redoes a load of tables that is about what happens seldom to them, and compares every file with what a
// server's replay leaves. What is written of the maps depends on whether hint bits are logged, for which there are three
// cases; each version gets one of them.
func TestHeapStandby(t *testing.T) {
	skipRaceOnly(t)
	cases := []pgserver.Options{
		{}, // checksums
		{NoChecksums: true},
		{NoChecksums: true, Settings: map[string]string{"wal_log_hints": "on"}},
	}
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		opts := cases[major%len(cases)]
		opts.Major = major
		settings := map[string]string{"autovacuum": "off", "wal_level": "logical"}
		maps.Copy(settings, opts.Settings)
		opts.Settings = settings
		source := pgreplay.RecordLoad(t, opts, pgreplay.Cold, func(s *pgserver.Server) { heapLoad(t, s) })
		compareStandby(t, source)
	})
}

// compareStandby redoes a log, and compares with what a server does.
func compareStandby(t *testing.T, source *pgreplay.Source) {
	dir := filepath.Join(pgserver.TempDir(t), "redone")
	require.NoError(t, source.Copy(dir))
	r, err := New(Config{Dir: dir, ServerVersion: source.Version, RestartBytes: 1 << 50, RestartTime: time.Hour})
	require.NoError(t, err)
	_, err = r.Replay(t.Context(), ReplayConfig{})
	require.NoError(t, err)
	require.NoError(t, r.Shutdown())
	report, err := pagecompare.Compare(source.Standby(t), dir)
	require.NoError(t, err)
	t.Log(report)
	require.NoError(t, report.Err())
}

// heapLoad runs statements one by one.
func heapLoad(t *testing.T, s *pgserver.Server) {
	for _, sql := range heapStatements {
		s.SQL(t, sql)
	}
}

var heapStatements = []string{
	// A relation of more than one page of the free space map at level 0, which is cut, grows, and is cut again.
	`CREATE TABLE large (id int, pad text) WITH (fillfactor = 10)`,
	`ALTER TABLE large ALTER pad SET STORAGE PLAIN`,
	`INSERT INTO large SELECT i, repeat('x', 5000) FROM generate_series(1, 9000) i`,
	`VACUUM large`,
	`DELETE FROM large WHERE id > 8300 OR id % 7 = 0`,
	`VACUUM large`,
	`CHECKPOINT`,
	`DELETE FROM large WHERE id > 4100`,
	`VACUUM large`,
	`INSERT INTO large SELECT i, repeat('y', 3000) FROM generate_series(4100, 9500) i`,
	`VACUUM large`,
	`DELETE FROM large WHERE id >= 4070`,
	`VACUUM large`,
	`INSERT INTO large VALUES (1, 'behind the cut')`,
	`DELETE FROM large WHERE id > 100`,
	`VACUUM (FREEZE) large`,
	`UPDATE large SET pad = 'short' WHERE id < 50`,
	`INSERT INTO large SELECT i, repeat('z', 5000) FROM generate_series(5000, 9300) i`,
	`DELETE FROM large WHERE id > 9250 OR id % 11 = 0`,
	`VACUUM large`,
	`INSERT INTO large SELECT i, repeat('0', 2000) FROM generate_series(1, 200) i`,

	// Tuples that are frozen as they are inserted, and locks on them.
	`CREATE TABLE frozen (id int PRIMARY KEY, v text)`,
	`BEGIN; TRUNCATE frozen; COPY frozen FROM PROGRAM 'seq 1 20000 | sed s/$/\\ttext/' WITH (FREEZE); COMMIT`,
	`SELECT count(*) FROM (SELECT 1 FROM frozen WHERE id % 100 = 0 FOR SHARE) s`,
	`BEGIN; SELECT count(*) FROM (SELECT 1 FROM frozen WHERE id % 50 = 1 FOR KEY SHARE) s;
	 SAVEPOINT a; UPDATE frozen SET v = v || 'er' WHERE id % 100 = 1;
	 SAVEPOINT b; SELECT count(*) FROM (SELECT 1 FROM frozen WHERE id % 100 = 1 FOR UPDATE) s; ROLLBACK TO b; COMMIT`,
	`BEGIN; DELETE FROM frozen WHERE id % 3 = 0; ROLLBACK`,
	`DELETE FROM frozen WHERE id % 3 = 0`,
	`VACUUM frozen`,
	`UPDATE frozen SET v = NULL WHERE id % 5 = 0`,
	`VACUUM (FREEZE) frozen`,
	`VACUUM (FREEZE) frozen`,

	// Chains of versions on a page, pruned by readers and by vacuum; line pointers that are freed and used again.
	`CREATE TABLE chains (id int PRIMARY KEY, n int, s text) WITH (fillfactor = 50)`,
	`INSERT INTO chains SELECT i, 0, repeat('s', i % 300) FROM generate_series(1, 3000) i`,
	`CHECKPOINT`,
	`UPDATE chains SET n = n + 1`,
	`UPDATE chains SET n = n + 1, s = s || 'longer'`,
	`SELECT count(*) FROM chains`,
	`UPDATE chains SET n = n + 1 WHERE id % 2 = 0`,
	`SELECT sum(n) FROM chains`,
	`UPDATE chains SET id = id + 10000 WHERE id % 9 = 0`,
	`DELETE FROM chains WHERE id % 4 = 1`,
	`SELECT sum(n) FROM chains`,
	`VACUUM (INDEX_CLEANUP FALSE) chains`,
	`VACUUM chains`,
	`INSERT INTO chains SELECT i, 5, 'again' FROM generate_series(20001, 21000) i`,
	`DELETE FROM chains WHERE id BETWEEN 300 AND 600`,
	`VACUUM chains`,
	`UPDATE chains SET s = md5(s) WHERE id % 3 = 2`,

	// Without indexes, and empty pages.
	`CREATE TABLE bare (a int, b text)`,
	`INSERT INTO bare SELECT i, repeat('b', 100) FROM generate_series(1, 5000) i`,
	`DELETE FROM bare WHERE a % 2 = 0`,
	`VACUUM bare`,
	`DELETE FROM bare WHERE a < 4000`,
	`VACUUM bare`,
	`INSERT INTO bare SELECT i, 'new' FROM generate_series(1, 2000) i`,
	`TRUNCATE bare`,
	`INSERT INTO bare SELECT i, 'new' FROM generate_series(1, 200) i`,

	// Many columns, some of them null; values out of line.
	`CREATE TABLE wide (id int, ` + manyColumns(60) + `, big text)`,
	`ALTER TABLE wide ALTER big SET STORAGE EXTERNAL`,
	`INSERT INTO wide (id, c1, c20, c60, big) SELECT i, i, CASE WHEN i % 2 = 0 THEN i END, i, repeat('w', i * 30)
	 FROM generate_series(1, 500) i`,
	`UPDATE wide SET c20 = NULL, c21 = 4 WHERE id % 3 = 0`,
	`UPDATE wide SET big = big || 'tail' WHERE id % 10 = 0`,
	`DELETE FROM wide WHERE id % 6 = 1`,
	`ALTER TABLE wide ADD later int DEFAULT 7`,
	`UPDATE wide SET later = 8 WHERE id % 5 = 2`,
	`VACUUM wide`,

	// Between partitions; insertions that find a conflict.
	`CREATE TABLE parts (k int, v text) PARTITION BY RANGE (k)`,
	`CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (100)`,
	`CREATE TABLE high PARTITION OF parts FOR VALUES FROM (100) TO (1000)`,
	`INSERT INTO parts SELECT i, 'p' FROM generate_series(0, 999) i`,
	`UPDATE parts SET k = k + 90 WHERE k < 50`,
	`INSERT INTO frozen SELECT i, 'conflict' FROM generate_series(1, 100) i ON CONFLICT (id) DO UPDATE SET v = excluded.v`,
	`INSERT INTO frozen SELECT i % 7 + 50000, 'twice' FROM generate_series(1, 50) i ON CONFLICT DO NOTHING`,

	// Tables made anew, catalogs among them while somebody decodes the log.
	`CREATE EXTENSION IF NOT EXISTS pageinspect`,
	`SELECT pg_create_logical_replication_slot('slot', 'pgoutput')`,
	`VACUUM FULL pg_class`,
	`CLUSTER chains USING chains_pkey`,
	`BEGIN; UPDATE pg_attribute SET attstattarget = attstattarget WHERE attnum = 1; ROLLBACK`,
	`VACUUM FULL pg_attribute`,
	`VACUUM FULL wide`,
	`SELECT pg_drop_replication_slot('slot')`,
	`ANALYZE`,
	`VACUUM`,
}

func manyColumns(n int) string {
	list := "c1 int"
	for i := 2; i <= n; i++ {
		list += fmt.Sprintf(", c%d int", i)
	}
	return list
}
