// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/protocol"
)

// numbers is a relation of n rows.
func numbers(n int) *Table {
	columns := []Column{{Name: "n", Type: Int4}, {Name: "t", Type: Text}}
	return &Table{Schema: "pg_catalog", Name: "numbers", OID: 1, Columns: columns,
		Rows: func() ([][]Value, error) {
			rows := make([][]Value, n)
			for i := range rows {
				rows[i] = []Value{int64(i), fmt.Sprintf("number %d", i)}
			}
			return rows, nil
		}}
}

func testEnvironment(t testing.TB, rows int) *Environment {
	engine := NewEngine(2)
	t.Cleanup(func() { engine.Close() })
	return &Environment{Engine: engine, Major: 15, Table: func(_, name string) *Table {
		if name == "numbers" {
			return numbers(rows)
		}
		return nil
	}}
}

// TestMemoryIsBounded: whatever takes much memory ends with an error, and the next statement runs.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	rows := 3000
	if testing.Short() {
		rows = 1000
	}
	env := testEnvironment(t, rows)
	env.Memory = 4 << 20
	for _, text := range []string{
		"SELECT * FROM numbers a, numbers b", "SELECT string_agg(a.t, ',') FROM numbers a, numbers b WHERE a.n < 200",
		"SELECT a.t FROM numbers a JOIN numbers b ON true ORDER BY b.t, a.t LIMIT 1 OFFSET 99999999",
		"SELECT count(*) FROM (SELECT DISTINCT a.t || b.t AS x FROM numbers a, numbers b) q",
		"SELECT " + strings.Repeat("concat(a, a, a, a, a, a, a, a) AS a FROM (SELECT ", 20) + "'12345678' AS a" + nested(20),
		"SELECT " + strings.Repeat("a || a AS a FROM (SELECT ", 25) + "'12345678' AS a" + nested(25),
		"SELECT " + strings.Repeat("a || a AS a FROM (SELECT ", 25) + "ARRAY[1,2,3] AS a" + nested(25),
		"SELECT * FROM generate_series(1, 1000000000)",
	} {
		begin := time.Now()
		_, _, err := runText(t.Context(), env, text)
		t.Logf("%.60s: %s: %v", text, time.Since(begin), err)
		e, ok := errors.AsType[*protocol.Error](err)
		require.True(t, ok, "%s: %v", text, err)
		require.Contains(t, []string{codeOutOfMemory, codeTooMuch}, e.Code, "%s: %v", text, err)
		require.Equal(t, "?column?:23:4:-1:0:0|\n1|", answer(t.Context(), env, "SELECT 1"))
	}
}

// nested closes queries in FROM.
func nested(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ") q%d", i)
	}
	return b.String()
}

// TestStatementsAreBounded: statements that would become too much by being translated are refused soon.
func TestStatementsAreBounded(t *testing.T) {
	t.Parallel()
	env := testEnvironment(t, 1)
	with := "WITH a0 AS (SELECT * FROM numbers)"
	for i := range 40 {
		with += fmt.Sprintf(", a%d AS (SELECT x.n FROM a%d x, a%d y)", i+1, i, i)
	}
	between, cases := "true", "true"
	for range 40 {
		between = "(" + between + " BETWEEN false AND true)"
		cases = "CASE " + cases + " WHEN true THEN true WHEN false THEN false END"
	}
	for _, text := range []string{
		with + " SELECT * FROM a40", "SELECT " + between, "SELECT " + cases, "SELECT " + strings.Repeat("(", 100) + "1",
		"SELECT " + strings.Repeat("- ", 100) + "1", "SELECT " + strings.Repeat("(SELECT ", 100),
		"SELECT 1" + strings.Repeat(" + 1", 1000),
		"SELECT 1" + strings.Repeat(" UNION SELECT 1", 1000), "SELECT 1 IN (1" + strings.Repeat(",1", 5000) + ")",
		"SELECT 1 FROM numbers" + strings.Repeat(" CROSS JOIN numbers", 100),
	} {
		begin := time.Now()
		_, _, err := runText(t.Context(), env, text)
		e, ok := errors.AsType[*protocol.Error](err)
		require.True(t, ok, "%.50s: %v", text, err)
		require.Equal(t, codeStatementTooComplex, e.Code, "%.50s: %v", text, err)
		require.Less(t, time.Since(begin), time.Minute)
	}
}

// TestCancel: a statement that would not end ends with its context.
func TestCancel(t *testing.T) {
	t.Parallel()
	env := testEnvironment(t, 2000)
	for _, text := range []string{
		"SELECT count(*) FROM numbers a, numbers b, numbers c, numbers d",
		"SELECT count(*) FROM numbers a, numbers b, numbers c WHERE upper(a.t) = lower(b.t)",
		"SELECT 1 FROM numbers a, numbers b, numbers c WHERE a.t || b.t = c.t",
	} {
		why := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, why)
		_, _, err := runText(ctx, env, text)
		cancel()
		require.ErrorIs(t, err, why, text)
	}
	engine := NewEngine(1)
	engine.tokens <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := engine.take(ctx)
	require.ErrorIs(t, err, context.Canceled, "who waits for others to end")
}

// TestInstancesOnlyRead: an instance of SQLite lets nothing through but what translated queries need, even if some SQL of
// a client came that far.
func TestInstancesOnlyRead(t *testing.T) {
	t.Parallel()
	c, err := connect()
	require.NoError(t, err)
	defer c.db.Close()
	c.x = &execution{st: &Statement{}}
	for _, text := range []string{
		"CREATE TABLE t(a)", "CREATE TEMP TABLE t(a)", "CREATE VIEW v AS SELECT 1", "ATTACH 'x.db' AS x", "DETACH main",
		"PRAGMA journal_mode", "PRAGMA database_list", "SELECT load_extension('x')", "SELECT randomblob(10)", "VACUUM INTO 'x.db'",
		"SELECT zeroblob(1000)", "SELECT writefile('x', 'y')", "INSERT INTO sqlite_master VALUES (1)", "BEGIN", "ANALYZE",
		"SELECT * FROM pragma_database_list", "SELECT printf('%1000000000d', 1)", "CREATE VIRTUAL TABLE x USING pgrows(1)",
		"WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
		"SELECT sqlite_version()", "SELECT fts3_tokenizer('x')", "EXPLAIN DELETE FROM sqlite_master",
	} {
		stmt, _, err := c.db.Prepare(text)
		if err == nil && stmt != nil {
			err = stmt.Exec()
			stmt.Close()
		}
		require.Error(t, err, text)
	}
}
