// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/protocol"
)

// compared are the queries of testdata/compared.sql, one a line, which ends with a semicolon.
func compared(t *testing.T) []string {
	text, err := os.ReadFile("testdata/compared.sql")
	require.NoError(t, err)
	var all []string
	for _, part := range strings.Split(string(text), ";\n") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

// comparedSince has the version from which on a server knows what is in a query.
func comparedSince(text string) (major int) {
	fmt.Sscanf(text, "-- since %d", &major)
	return major
}

// TestLikeServer asks a real server of each version, and this package over the server's catalogs.
func TestLikeServer(t *testing.T) {
	t.Parallel()
	queries := compared(t)
	engine := NewEngine(2)
	t.Cleanup(func() { engine.Close() })
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		real := pgserver.Start(t, pgserver.Options{Major: major})
		conn, err := pgconn.Connect(t.Context(), real.ConnString())
		require.NoError(t, err)
		defer conn.Close(context.Background())
		for _, text := range []string{
			"CREATE TABLE public.t(id int PRIMARY KEY, name varchar(20), n numeric(10,2), at timestamptz(3), a text[])",
			`CREATE SCHEMA "Odd name"; CREATE TABLE "Odd name"."Tab"(x int, "Y z" text)`, "COMMENT ON TABLE public.t IS 'a comment'",
			"CREATE ROLE someone LOGIN CREATEDB", "CREATE DATABASE other OWNER someone",
			"CREATE VIEW v AS SELECT 1 AS one; CREATE INDEX ti ON t(name); CREATE SEQUENCE s; SET search_path = pg_catalog, public",
		} {
			_, err := conn.Exec(t.Context(), text).ReadAll()
			require.NoError(t, err, text)
		}
		env := &Environment{Major: major, Engine: engine, Catalogs: &realCatalogs{
			t: t, conn: conn, tables: map[string]*Table{}, rows: map[string][][]Value{},
		}}
		n, rows := 0, 0
		for _, text := range queries {
			if comparedSince(text) > major {
				continue
			}
			want := realAnswer(t, conn, text)
			got := answer(t.Context(), env, text)
			if assert.Equal(t, want, got, text) {
				n, rows = n+1, rows+strings.Count(want, "\n")
			}
		}
		require.NotZero(t, n)
		t.Logf("%d queries compared, %d rows", n, rows)
	})
}

// realAnswer is what a real server answers: the columns, the rows, or the error.
func realAnswer(t *testing.T, conn *pgconn.PgConn, text string) string {
	results := conn.Exec(t.Context(), text)
	var b strings.Builder
	for results.NextResult() {
		r := results.ResultReader()
		for _, f := range r.FieldDescriptions() {
			if strings.HasPrefix(text, "-- view") { // columns of views are not said to be of a relation
				f.TableOID, f.TableAttributeNumber = 0, 0
			}
			fmt.Fprintf(&b, "%s:%d:%d:%d:%d:%d|", f.Name, f.DataTypeOID, f.DataTypeSize, f.TypeModifier, f.TableOID, f.TableAttributeNumber)
		}
		for r.NextRow() {
			b.WriteByte('\n')
			for _, v := range r.Values() {
				if v == nil {
					b.WriteString("NULL|")
				} else {
					b.WriteString(string(v) + "|")
				}
			}
		}
	}
	if err := results.Close(); err != nil {
		var e *pgconn.PgError
		require.True(t, errors.As(err, &e), err)
		return errorLine(e.Code, e.Message, int(e.Position))
	}
	return b.String()
}

func errorLine(code, message string, position int) string {
	if code == codeInvalidRegexp { // which Go describes in its own words
		message, _, _ = strings.Cut(message, ":")
	}
	return fmt.Sprintf("%s %s at %d", code, message, position)
}

// answer is the same of this package.
func answer(ctx context.Context, env *Environment, text string) string {
	st, rows, err := runText(ctx, env, text)
	if err != nil {
		var e *protocol.Error
		if !errors.As(err, &e) {
			return err.Error()
		}
		return errorLine(e.Code, e.Message, e.Position)
	}
	var b strings.Builder
	for _, c := range st.Columns {
		fmt.Fprintf(&b, "%s:%d:%d:%d:%d:%d|", c.Name, c.Type, TypeLength(c.Type), c.Typmod, c.Table, c.Num)
	}
	for _, row := range rows {
		b.WriteByte('\n')
		for i, v := range row {
			if v == nil {
				b.WriteString("NULL|")
			} else {
				b.WriteString(string(AppendText(nil, v, st.Columns[i].Type)) + "|")
			}
		}
	}
	return b.String()
}

func runText(ctx context.Context, env *Environment, text string) (*Statement, [][]Value, error) {
	p, err := NewParser(text, true)
	if err != nil {
		return nil, nil, err
	}
	q, err := p.Query()
	if err != nil {
		return nil, nil, err
	}
	if !p.Ends() {
		return nil, nil, p.Unexpected()
	}
	st, err := Analyze(ctx, env, q, nil)
	if err != nil {
		return nil, nil, err
	}
	rows, err := st.Run(ctx, nil)
	return st, rows, err
}
