// SPDX-License-Identifier: Apache-2.0

package changes_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog/catalog/changes"
)

// TestMix: several sessions define things at once, undo some of it, and write catalogs anew under each other's
// hands, with autovacuum at work. All that the feed has told, one after the other, is what lies between the dumps
// before and after.
func TestMix(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: see TestFeed")
	}
	pgserver.SomeMajors(t, func(t *testing.T, major int) {
		t.Parallel()
		seed, statements := rand.Uint64(), 60
		if pgserver.Long() {
			statements = 600
		}
		t.Logf("seed %d", seed)
		settings := map[string]string{
			"autovacuum_naptime": "1s", "autovacuum_vacuum_threshold": "20", "autovacuum_vacuum_scale_factor": "0.02",
			"autovacuum_analyze_threshold": "20", "deadlock_timeout": "20ms", "lock_timeout": "300ms",
			"max_prepared_transactions": "20", "synchronous_commit": "off",
		}
		r := &recorder{}
		var before, after *dump
		opts := pgserver.Options{Major: major, Settings: settings}
		source := pgreplay.RecordLoad(t, opts, pgreplay.Online, func(s *pgserver.Server) {
			defer r.disconnect(context.Background())
			r.t, r.server = t, s
			before = r.quiet()
			mix(t, s, seed, statements)
			after = r.quiet()
		})
		txs := follow(t, source, changes.Config{})
		compare(t, []step{{
			database: "postgres", sql: "the mix", begin: before.end, end: after.end, want: between(before, after),
		}}, txs)
		checkOmitted(t, txs, follow(t, source, changes.Config{MaxBytes: 2000}))
	})
}

// checkOmitted looks whether a feed with little room says how many rows it left out.
func checkOmitted(t *testing.T, txs, short []*changes.Transaction) {
	omitted := 0
	require.Len(t, short, len(txs))
	for i, tx := range short {
		require.Equal(t, txs[i].LSN, tx.LSN)
		require.Equal(t, len(txs[i].Changes), len(tx.Changes)+tx.Omitted)
		require.LessOrEqual(t, tx.Omitted, len(txs[i].Changes)-min(1, len(tx.Changes)))
		omitted += tx.Omitted
	}
	require.NotZero(t, omitted)
}

// quiet is a dump while autovacuum does not work.
func (r *recorder) quiet() *dump {
	r.autovacuum("off")
	require.Eventually(r.t, func() bool {
		const ask = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"
		return r.server.Value(r.t, ask) == "0"
	}, 2*time.Minute, 20*time.Millisecond)
	d := r.take("postgres", nil)
	r.autovacuum("on")
	return d
}

func (r *recorder) autovacuum(value string) {
	r.server.SQL(r.t, "ALTER SYSTEM SET autovacuum = "+value)
	r.server.SQL(r.t, "SELECT pg_reload_conf()")
	require.Eventually(r.t, func() bool { return r.server.Value(r.t, "SHOW autovacuum") == value }, 2*time.Minute,
		20*time.Millisecond)
}

// mixed are the statements of the mix. %[1]d is a number of which there are few, so that sessions meet, and %[2]d
// one that no other session has. Catalogs that every session's cache depends on are not written anew here: servers
// do not survive that at once with everything else.
var mixed = []string{
	"CREATE TABLE m%[1]d (a int PRIMARY KEY, b text)", "DROP TABLE IF EXISTS m%[1]d CASCADE",
	"CREATE TABLE own%[2]d (a serial, b text[])", "DROP TABLE IF EXISTS own%[2]d",
	"ALTER TABLE m%[1]d ADD c%[2]d int DEFAULT 1", "ALTER TABLE m%[1]d RENAME b TO b%[2]d",
	"ALTER TABLE own%[2]d ALTER a TYPE bigint", "ALTER TABLE m%[1]d SET (fillfactor = 7%[1]d)",
	"INSERT INTO m%[1]d SELECT i FROM generate_series(1, 500) i ON CONFLICT DO NOTHING", "TRUNCATE m%[1]d",
	"CREATE INDEX ON m%[1]d (a, a)", "ANALYZE m%[1]d", "VACUUM m%[1]d", "REINDEX TABLE m%[1]d",
	"CREATE OR REPLACE FUNCTION f%[1]d() RETURNS text LANGUAGE sql AS 'SELECT repeat(''%[2]d'', %[2]d)'",
	"CREATE OR REPLACE VIEW v%[2]d AS SELECT a, a AS a2, a AS a3 FROM m%[1]d", "DROP VIEW IF EXISTS v%[2]d",
	"COMMENT ON TABLE m%[1]d IS '%[2]d'", "CREATE TYPE e%[2]d AS ENUM ('a', 'b')", "DROP TYPE IF EXISTS e%[2]d",
	"ALTER TYPE e%[2]d RENAME VALUE 'a' TO 'c'", "SELECT relname FROM pg_class WHERE relname = 'm%[1]d' FOR KEY SHARE",
	"SAVEPOINT s", "ROLLBACK TO s", "RELEASE s", "BEGIN", "BEGIN", "BEGIN", "COMMIT", "COMMIT", "ROLLBACK",
	"PREPARE TRANSACTION 'p%[2]d'", "COMMIT PREPARED 'p%[2]d'", "ROLLBACK PREPARED 'p%[2]d'",
	"VACUUM FULL pg_depend", "VACUUM FULL pg_statistic", "VACUUM FULL pg_attrdef", "VACUUM pg_class",
	"VACUUM pg_attribute", "CLUSTER pg_description USING pg_description_o_c_o_index",
}

// mix runs random statements in several sessions. That one fails is part of the mix.
func mix(t testing.TB, s *pgserver.Server, seed uint64, statements int) {
	var wait sync.WaitGroup
	for n := range 4 {
		conn, err := s.Connect(t.Context())
		require.NoError(t, err)
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		wait.Go(func() {
			defer conn.Close(context.WithoutCancel(t.Context()))
			for range statements {
				sql := mixed[random.IntN(len(mixed))]
				if strings.Contains(sql, "%") {
					sql = fmt.Sprintf(sql, random.IntN(5), 10*random.IntN(4)+n)
				}
				_, _ = conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
			}
		})
	}
	wait.Wait()
	for _, row := range s.SQL(t, "SELECT gid FROM pg_prepared_xacts") {
		s.SQL(t, fmt.Sprintf("COMMIT PREPARED '%s'", row[0]))
	}
}
