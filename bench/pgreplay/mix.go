// SPDX-License-Identifier: Apache-2.0

package pgreplay

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
)

// mixTable has an index of every kind. Few rows and many versions: pages fill, are pruned, split, emptied and reused.
const mixTable = `
	CREATE TABLE mix (id serial PRIMARY KEY, a int, t text, e int[], p point, r int4range) WITH (fillfactor = 85);
	CREATE INDEX ON mix (a);
	CREATE INDEX ON mix (t, a);
	CREATE INDEX ON mix USING hash (a);
	CREATE INDEX ON mix USING hash (t);
	CREATE INDEX ON mix USING gin (e);
	CREATE INDEX ON mix USING gin (e) WITH (fastupdate = off);
	CREATE INDEX ON mix USING gist (p);
	CREATE INDEX ON mix USING gist (r);
	CREATE INDEX ON mix USING spgist (p);
	CREATE INDEX ON mix USING spgist (t);
	CREATE INDEX ON mix USING brin (id) WITH (pages_per_range = 2, autosummarize = on);
	CREATE INDEX ON mix USING brin (t) WITH (pages_per_range = 1);
	CREATE TABLE child (id serial, mix int REFERENCES mix ON DELETE CASCADE, t text);
	CREATE SEQUENCE names;`

// MixSettings let autovacuum and checkpoints come often.
var MixSettings = map[string]string{
	"autovacuum_naptime": "1s", "autovacuum_vacuum_threshold": "20", "autovacuum_vacuum_scale_factor": "0.05",
	"autovacuum_vacuum_cost_delay": "0", "autovacuum_max_workers": "2", "max_prepared_transactions": "20",
	"deadlock_timeout": "20ms", "synchronous_commit": "off", "track_commit_timestamp": "on",
	"gin_pending_list_limit": "64kB",
}

// Mix runs random transactions in several sessions at once: each statement may meet the others' locks, and any
// transaction may be undone. It is another load every time; seed decides only what each session asks for.
func Mix(t testing.TB, s *pgserver.Server, seed uint64, transactions int) {
	t.Helper()
	const sessions = 6
	s.SQL(t, mixTable)
	var wait sync.WaitGroup
	for n := range sessions {
		conn, err := s.Connect(t.Context())
		require.NoError(t, err)
		// What a prepared transaction has locked may stay locked until the end.
		_, err = conn.Exec(t.Context(), "SET lock_timeout = '200ms'")
		require.NoError(t, err)
		m := &mixSession{conn: conn, rand: rand.New(rand.NewPCG(seed, uint64(n))), number: n}
		wait.Go(func() {
			for range transactions {
				m.transaction(t.Context())
			}
			_ = conn.Close(context.WithoutCancel(t.Context()))
		})
	}
	wait.Wait()
	for _, row := range s.SQL(t, "SELECT gid FROM pg_prepared_xacts ORDER BY gid LIMIT 3") {
		s.SQL(t, fmt.Sprintf("COMMIT PREPARED '%s'", row[0]))
	}
	require.NotEqual(t, "0", s.Value(t, "SELECT count(*) FROM mix"))
}

type mixSession struct {
	conn   *pgx.Conn
	rand   *rand.Rand
	number int
	count  int
}

// exec runs a statement; that it fails, such as by a deadlock, is part of the load.
func (m *mixSession) exec(ctx context.Context, sql string) {
	_, _ = m.conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
}

func (m *mixSession) transaction(ctx context.Context) {
	m.count++
	if m.rand.IntN(12) == 0 {
		m.exec(ctx, m.alone())
		return
	}
	m.exec(ctx, "BEGIN")
	for depth, n := 0, 1+m.rand.IntN(8); n > 0; n-- {
		switch m.rand.IntN(10) {
		case 0:
			depth++
			m.exec(ctx, fmt.Sprintf("SAVEPOINT s%d", depth))
		case 1:
			if depth > 0 {
				m.exec(ctx, fmt.Sprintf("%s s%d", m.pick("ROLLBACK TO", "RELEASE"), 1+m.rand.IntN(depth)))
			}
		}
		m.exec(ctx, m.statement())
	}
	switch m.rand.IntN(12) {
	case 0:
		m.exec(ctx, "ROLLBACK")
	case 1:
		m.twoPhase(ctx)
	default:
		m.exec(ctx, "COMMIT")
	}
}

func (m *mixSession) twoPhase(ctx context.Context) {
	name := fmt.Sprintf("mix %d %d", m.number, m.count)
	m.exec(ctx, fmt.Sprintf("PREPARE TRANSACTION '%s'", name))
	if end := m.pick("COMMIT", "COMMIT", "ROLLBACK"); m.count%40 != 39 { // now and then one stays
		m.exec(ctx, fmt.Sprintf("%s PREPARED '%s'", end, name))
	}
	m.exec(ctx, "ROLLBACK") // where preparing was not possible
}

func (m *mixSession) pick(of ...string) string { return of[m.rand.IntN(len(of))] }

// rows is a condition that some rows meet.
func (m *mixSession) rows() string {
	switch m.rand.IntN(4) {
	case 0:
		return fmt.Sprintf("a = %d", m.rand.IntN(200))
	case 1:
		return fmt.Sprintf("e @> ARRAY[%d]", m.rand.IntN(60))
	case 2:
		return fmt.Sprintf("p <@ box '((%d,0),(%d,60))'", m.rand.IntN(60), m.rand.IntN(60))
	}
	return fmt.Sprintf("id %% 100 = %d", m.rand.IntN(100))
}

func (m *mixSession) statement() string {
	n, k := m.rand.IntN(1000), m.rand.IntN(200)
	switch m.rand.IntN(16) {
	case 0, 1, 2:
		return fmt.Sprintf(`INSERT INTO mix (a, t, e, p, r) SELECT (i * %d) %% 200, repeat(chr(97 + i %% 26), i %% 300),
			ARRAY[i %% 60, %d], point(i %% 60, %d), int4range(i, i + 9) FROM generate_series(1, %d) i`, 1+n, k, k%60, 1+n/10)
	case 3, 4:
		return "UPDATE mix SET a = a + 1 WHERE " + m.rows()
	case 5:
		return fmt.Sprintf("UPDATE mix SET t = t || 'u%d' WHERE %s", n, m.rows())
	case 6:
		return fmt.Sprintf("UPDATE mix SET p = point(%d, %d), e = e || %d WHERE %s", n%60, k%60, n, m.rows())
	case 7, 8:
		return "DELETE FROM mix WHERE " + m.rows()
	case 9:
		return fmt.Sprintf("SELECT id FROM mix WHERE %s FOR %s", m.rows(),
			m.pick("UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"))
	case 10, 11:
		return fmt.Sprintf("INSERT INTO child (mix, t) SELECT id, repeat('c', %d) FROM mix WHERE %s LIMIT 5", n, m.rows())
	case 12:
		return fmt.Sprintf("CREATE TABLE made%d_%d AS SELECT * FROM mix LIMIT %d", m.number, m.count, n)
	case 13:
		return fmt.Sprintf("DROP TABLE IF EXISTS made%d_%d", m.number, m.count-1-k%5)
	case 14:
		return "SELECT count(nextval('names')) FROM generate_series(1, 40)"
	}
	return "INSERT INTO mix (id, a) SELECT id, 1 FROM mix WHERE " + m.rows() +
		" LIMIT 3 ON CONFLICT (id) DO UPDATE SET a = 0"
}

// alone is a statement that runs outside a transaction, or that would be in everyone's way there.
func (m *mixSession) alone() string {
	return m.pick("VACUUM mix", "VACUUM child", "VACUUM (FREEZE) mix", "CHECKPOINT", "ANALYZE mix", "VACUUM pg_class",
		"DELETE FROM mix WHERE id < (SELECT max(id) - 2000 FROM mix)", "TRUNCATE child", "REINDEX INDEX mix_a_idx",
		"DELETE FROM mix WHERE id > (SELECT max(id) - 100 FROM mix)", "VACUUM FULL child", "SELECT pg_switch_wal()")
}
