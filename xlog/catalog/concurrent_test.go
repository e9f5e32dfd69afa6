// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// TestCommitBoundaries has several sessions define things in transactions that overlap, and notes what the catalogs are
// like after each commit. Then the log is redone by one goroutine while another reads: each time it must see exactly one
// of those states, none before the one that it saw last.
func TestCommitBoundaries(t *testing.T) {
	pgserver.SomeMajors(t, func(t *testing.T, major int) {
		t.Parallel()
		mix := &mixer{t: t, rand: rand.New(rand.NewPCG(uint64(major), 6))}
		settings := map[string]string{"autovacuum": "off", "max_prepared_transactions": "10"}
		source := pgreplay.RecordLoad(t, pgserver.Options{Major: major, Settings: settings}, pgreplay.Online, mix.run)
		t.Logf("%d statements, %d failed; %d commits, %d rollbacks", mix.statements, mix.failed, len(mix.states), mix.rollbacks)
		mix.states = slices.Compact(mix.states) // some changed nothing

		dir := filepath.Join(pgserver.TempDir(t), "standby")
		require.NoError(t, source.Copy(dir))
		r, err := redo.New(redo.Config{Dir: dir, ServerVersion: source.Version})
		require.NoError(t, err)
		defer r.Close()
		mix.readWhileReplayed(r, source.Last)
	})
}

// boundaryCatalogs are those that are compared, and the columns of them that are not: a server changes these in place, and
// whoever reads there sees it before the transaction's end as well. Of catalogs whose first column is the OID of what a row
// is about, but for pg_class, the rows of what initdb made are left out.
var boundaryCatalogs = map[string]string{
	"pg_class": "relpages reltuples relallvisible relallfrozen relhasindex relfrozenxid relminmxid",
	"pg_type":  "", "pg_attribute": "", "pg_namespace": "", "pg_index": "", "pg_constraint": "", "pg_attrdef": "",
	"pg_depend": "", "pg_shdepend": "", "pg_sequence": "", "pg_enum": "",
	"pg_authid": "", "pg_auth_members": "", "pg_shdescription": "",
}

// state is a digest of the catalogs.
type state [sha256.Size]byte

// digest makes a state of the rows that dump gives, each a line with a newline.
func digest(dump func(table string, except []string) ([]string, error)) (s state, err error) {
	h := sha256.New()
	tables := make([]string, 0, len(boundaryCatalogs))
	for table := range boundaryCatalogs {
		tables = append(tables, table)
	}
	slices.Sort(tables)
	for _, table := range tables {
		lines, err := dump(table, strings.Fields(boundaryCatalogs[table]))
		if err != nil {
			return s, err
		}
		slices.Sort(lines)
		fmt.Fprintf(h, "%s %d\n%s", table, len(lines), strings.Join(lines, ""))
	}
	h.Sum(s[:0])
	return s, nil
}

// readState is the state that a catalog shows.
func readState(c *catalog.Catalog) (state, error) {
	db, err := c.Database("postgres")
	if err != nil {
		return state{}, err
	}
	return digest(func(table string, except []string) (lines []string, err error) {
		r, err := db.Relation(table)
		if err != nil {
			return nil, err
		}
		err = r.Scan(func(row *catalog.Row) error {
			var fields []string
			if oid, err := row.Value(0); err != nil || filtered(table) && binary.LittleEndian.Uint32(oid) < firstNormal {
				return err
			}
			for i, column := range r.Columns() {
				if slices.Contains(except, column.Name) {
					continue
				}
				text, null, err := row.Text(i)
				if err != nil {
					return err
				}
				fields = append(fields, copyText(text, null))
			}
			lines = append(lines, strings.Join(fields, "\t")+"\n")
			return nil
		})
		return lines, err
	})
}

const firstNormal = 16384 // FirstNormalObjectId

// filtered tells of which catalogs rows are left out.
func filtered(table string) bool {
	return table != "pg_class" && table != "pg_depend" && table != "pg_shdepend"
}

// mixer makes the load.
type mixer struct {
	t    *testing.T
	rand *rand.Rand

	sessions []*mixSession
	watcher  *pgx.Conn
	prepared []string
	queries  map[string]string // of watcher

	states                                 []state
	statements, failed, rollbacks, counter int
}

type mixSession struct {
	conn   *pgx.Conn
	schema string
	open   bool // in a transaction
	saved  bool // that has a savepoint
}

const (
	mixSessions = 3
	mixTables   = 3
	mixSteps    = 250
)

func (m *mixer) run(s *pgserver.Server) {
	ctx := context.Background()
	connect := func() *pgx.Conn {
		conn, err := s.Connect(ctx, "options='-c TimeZone=UTC -c lock_timeout=5s'")
		require.NoError(m.t, err)
		return conn
	}
	m.watcher = connect()
	defer m.watcher.Close(ctx)
	m.committed()
	for i := range mixSessions {
		x := &mixSession{conn: connect(), schema: fmt.Sprintf("s%d", i)}
		defer x.conn.Close(ctx)
		m.sessions = append(m.sessions, x)
		require.True(m.t, m.exec(x, "CREATE SCHEMA "+x.schema))
		m.committed()
		for n := range mixTables {
			require.True(m.t, m.exec(x, fmt.Sprintf("CREATE TABLE %s.t%d (id serial PRIMARY KEY, a int, b text)", x.schema, n)))
			m.committed()
		}
	}
	for range mixSteps {
		m.step(m.sessions[m.rand.IntN(mixSessions)])
	}
}

// committed notes the state after a commit.
func (m *mixer) committed() {
	s, err := digest(func(table string, except []string) (lines []string, err error) {
		var text bytes.Buffer
		if _, err := m.watcher.PgConn().CopyTo(context.Background(), &text, m.query(table, except)); err != nil {
			return nil, err
		}
		return slices.Collect(strings.Lines(text.String())), nil
	})
	require.NoError(m.t, err)
	m.states = append(m.states, s)
}

// query prints a table but for some columns.
func (m *mixer) query(table string, except []string) string {
	if m.queries == nil {
		m.queries = map[string]string{}
	}
	if m.queries[table] == "" {
		var columns, first string
		err := m.watcher.QueryRow(context.Background(), `SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum),
				min(attname) FILTER (WHERE attnum = 1)
			FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attname <> ALL ($2)`,
			table, except).Scan(&columns, &first)
		require.NoError(m.t, err)
		where := "true"
		if filtered(table) {
			where = fmt.Sprintf("%s >= %d", first, firstNormal)
		}
		m.queries[table] = fmt.Sprintf("COPY (SELECT %s FROM %s WHERE %s) TO STDOUT", columns, table, where)
	}
	return m.queries[table]
}

func (m *mixer) exec(x *mixSession, sql string) bool {
	m.statements++
	_, err := x.conn.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		m.failed++
	}
	return err == nil
}

// step does one thing in a session.
func (m *mixer) step(x *mixSession) {
	if !x.open {
		m.outside(x)
		return
	}
	if x.conn.PgConn().TxStatus() == 'E' {
		m.undo(x)
		return
	}
	switch n := m.rand.IntN(20); {
	case n < 3:
		m.end(x, "COMMIT")
	case n < 4:
		m.undo(x)
	case n < 5:
		m.prepare(x)
	case n < 6:
		x.saved = m.exec(x, "SAVEPOINT sp")
	default:
		m.exec(x, m.definition(x.schema))
	}
}

// undo goes back to the savepoint, or to where the transaction began.
func (m *mixer) undo(x *mixSession) {
	if x.saved {
		m.exec(x, "ROLLBACK TO sp")
		return
	}
	m.end(x, "ROLLBACK")
}

// outside does what is no part of a transaction of several statements.
func (m *mixer) outside(x *mixSession) {
	switch n := m.rand.IntN(20); {
	case n < 2 && len(m.prepared) > 0:
		if m.exec(x, "COMMIT PREPARED '"+m.prepared[0]+"'") {
			m.committed()
		}
		m.prepared = m.prepared[1:]
	case n < 3 && len(m.prepared) > 0:
		m.exec(x, "ROLLBACK PREPARED '"+m.prepared[0]+"'")
		m.prepared = m.prepared[1:]
	case n < 5 && m.idle():
		table := []string{"pg_class", "pg_attribute", "pg_authid", "pg_depend"}[m.rand.IntN(4)]
		if m.exec(x, "VACUUM FULL "+table) {
			m.committed()
		}
	default:
		x.open, x.saved = m.exec(x, "BEGIN"), false
	}
}

// idle tells whether no transaction is open, not even a prepared one.
func (m *mixer) idle() bool {
	return len(m.prepared) == 0 && !slices.ContainsFunc(m.sessions, func(x *mixSession) bool { return x.open })
}

// end ends a transaction; a COMMIT of one that has failed is a rollback.
func (m *mixer) end(x *mixSession, how string) {
	failed := x.conn.PgConn().TxStatus() == 'E'
	x.open = false
	if m.exec(x, how) && how == "COMMIT" && !failed {
		m.committed()
		return
	}
	m.rollbacks++
}

func (m *mixer) prepare(x *mixSession) {
	m.counter++
	name := fmt.Sprintf("p%d", m.counter)
	failed := x.conn.PgConn().TxStatus() == 'E'
	if m.exec(x, "PREPARE TRANSACTION '"+name+"'") && !failed {
		m.prepared = append(m.prepared, name)
	} else {
		m.exec(x, "ROLLBACK")
	}
	x.open = false
}

// definition is a statement about one of a few tables of a schema.
func (m *mixer) definition(schema string) string {
	m.counter++
	table := fmt.Sprintf("%s.t%d", schema, m.rand.IntN(mixTables))
	list := []string{
		"DROP TABLE :t CASCADE; CREATE TABLE :t (id serial PRIMARY KEY, a int DEFAULT 5 CHECK (a > 0), b text)",
		"ALTER TABLE :t ADD c:n numeric(10, 2) DEFAULT 7, DROP IF EXISTS b CASCADE",
		"ALTER TABLE :t ADD d:n timestamptz DEFAULT clock_timestamp()",
		"CREATE INDEX ON :t (a)",
		"TRUNCATE :t",
		"CREATE VIEW :t_v:n AS SELECT * FROM :t",
		"CREATE TYPE :t_e:n AS ENUM ('a', 'b')",
		"CREATE ROLE r:n IN ROLE pg_monitor; COMMENT ON ROLE r:n IS 'x'",
		"INSERT INTO :t (a) SELECT i FROM generate_series(1, 50) i",
		"DO $$ BEGIN CREATE TABLE :t_sub:n (a int); RAISE 'undone'; EXCEPTION WHEN raise_exception THEN " +
			"CREATE TABLE :t_kept:n (b int); END $$",
	}
	return strings.NewReplacer(":t", table, ":n", strconv.Itoa(m.counter)).Replace(list[m.rand.IntN(len(list))])
}

// readEvery is after how many records the catalogs are read, and after each end of a transaction.
const readEvery = 1000

// readWhileReplayed compares what is read while a log is redone up to end. Redo goes on while it waits for a moment to read,
// but not further than to the next time for it.
func (m *mixer) readWhileReplayed(r *redo.Redo, end xlog.LSN) {
	t := m.t
	steps, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(steps)
		failed <- applyInSteps(r, end, steps)
	}()
	last, count, seen := 0, 0, map[int]bool{}
	look := func() error {
		s, err := readState(catalog.New(r.Store(), r.Transactions()))
		if err != nil {
			return err
		}
		found := slices.Index(m.states[last:], s)
		if found < 0 {
			return fmt.Errorf("at %s: this is not the state after a commit since number %d", r.Progress().LSN, last)
		}
		last += found
		seen[last] = true
		count++
		return nil
	}
	for range steps {
		require.NoError(t, r.View(t.Context(), look))
	}
	require.NoError(t, <-failed)
	require.NoError(t, r.View(t.Context(), look))
	require.Equal(t, len(m.states)-1, last, "at the end it is the last state")
	require.Greater(t, len(seen), len(m.states)/2)
	t.Logf("%d reads: each is one of the %d states after commits; %d of them were seen", count, len(m.states), len(seen))
}

// applyInSteps redoes the log, and tells when it is time for a look.
func applyInSteps(r *redo.Redo, end xlog.LSN, steps chan struct{}) error {
	_, at := r.Position()
	dir := r.DataDir()
	reader := xlog.NewReader(xlog.ReaderConfig{
		Dialect: dir.Dialect, SegmentSize: dir.SegmentSize, SystemID: dir.SystemID, History: r.History(),
		Source: redo.NewDirWAL(dir.WALPath(), dir.SegmentSize), Start: at,
	})
	for n := 1; ; n++ {
		rec, err := reader.Next()
		if err != nil {
			return err
		}
		ends := rec.Rmgr == rmgr.Transaction
		if err := r.Apply(rec); err != nil || rec.LSN >= end {
			return err
		}
		if _, consistent := r.Consistent(); consistent && (ends || n%readEvery == 0) {
			steps <- struct{}{}
		}
	}
}
