// SPDX-License-Identifier: Apache-2.0

package syncrep

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Names{
		"":                       {},
		"a":                      {NumSync: 1, Members: []string{"a"}},
		"*":                      {NumSync: 1, Members: []string{"*"}},
		" a ,\n\tb":              {NumSync: 1, Members: []string{"a", "b"}},
		"2":                      {NumSync: 1, Members: []string{"2"}},
		"2, a":                   {NumSync: 1, Members: []string{"2", "a"}},
		"2 (a, b, c)":            {NumSync: 2, Members: []string{"a", "b", "c"}},
		"FIRST 2 (a, b)":         {NumSync: 2, Members: []string{"a", "b"}},
		"any 1(s1,*)":            {Method: Any, NumSync: 1, Members: []string{"s1", "*"}},
		`"a ""b"" c", "any"`:     {NumSync: 1, Members: []string{`a "b" c`, "any"}},
		"First 3 (_a$1, 007, ü)": {NumSync: 3, Members: []string{"_a$1", "007", "ü"}},
		`""`:                     {NumSync: 1, Members: []string{""}},
	} {
		got, err := Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		again, err := Parse(got.String())
		require.NoError(t, err, got.String())
		require.Equal(t, got, again)
	}
}

// refused has values that are no synchronous_standby_names.
var refused = []string{
	" ", "a b", "a,", ",", "FIRST", "any", "FIRST a", "ANY 2", "ANY 2 a", "ANY 2 ()", "ANY 2 (a", "ANY 2 (a) b",
	"0 (a)", "ANY 0 (a)", `"a`, `"a""`, "a-b", "a.b", "1a", "2 (a, FIRST)", "*a", "-1 (a)", "FIRST 1 (a, any)", "a 'b'",
	`a "b"`, "2 (3 (a))",
}

// TestRefused compares what is taken and what is said about the rest with PostgreSQL's parser.
func TestRefused(t *testing.T) {
	t.Parallel()
	server := pgserver.Start(t, pgserver.Options{Major: pgserver.DefaultMajor})
	conn, err := server.Connect(t.Context())
	require.NoError(t, err)
	defer conn.Close(context.Background())
	compared := 0
	texts := append([]string{"a", "*", "2", "2, a", "2 (a)", `"a ""b"""`, "any 7 (a,*)", "ü$", `""`}, refused...)
	for _, text := range texts {
		_, err := conn.Exec(t.Context(),
			"ALTER SYSTEM SET synchronous_standby_names = '"+strings.ReplaceAll(text, "'", "''")+"'")
		_, got := Parse(text)
		if err == nil {
			require.NoError(t, got, text)
			compared++
			continue
		}
		pgErr := err.(*pgconn.PgError)
		want := pgErr.Detail
		if want == "" {
			want = pgErr.Message
		}
		require.Error(t, got, text)
		require.Equal(t, want, got.(*SyntaxError).Detail, text)
		compared++
	}
	require.Len(t, texts, compared)
	t.Logf("%d values compared", compared)
}

func TestPriority(t *testing.T) {
	t.Parallel()
	names, err := Parse(`2 (Alpha, beta, "*", gamma)`)
	require.NoError(t, err)
	require.Equal(t, 1, names.Priority("ALPHA"))
	require.Equal(t, 2, names.Priority("beta"))
	require.Equal(t, 3, names.Priority("gamma"))
	names.Method = Any
	require.Equal(t, 1, names.Priority("gamma"))
	require.Zero(t, Names{}.Priority(""))
}

func FuzzParse(f *testing.F) {
	for _, text := range refused {
		f.Add(text)
	}
	f.Add(`FIRST 2 (a, "b""", *)`)
	f.Fuzz(func(t *testing.T, text string) {
		names, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(names.String())
		require.NoError(t, err)
		require.Equal(t, names, again)
	})
}
