// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog/catalog"
)

// tableDump is what COPY (SELECT ctid, xmin, xmax, * ... ORDER BY ctid) TO STDOUT says of a table.
type tableDump struct {
	oid  uint32
	name string
	text []byte
}

// dumpServer dumps every table with a heap, of every database, template0 too: catalogs, their TOAST tables, and others.
// What is temporary, unlogged or a sequence is left out: a standby does not have the same.
func dumpServer(t testing.TB, s *pgserver.Server) map[string][]tableDump {
	s.SQL(t, `ALTER DATABASE template0 ALLOW_CONNECTIONS true`)
	dumps := map[string][]tableDump{}
	for _, row := range s.SQL(t, `SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1`) {
		dumps[row[0]] = dumpDatabase(t, s, row[0])
	}
	return dumps
}

func dumpDatabase(t testing.TB, s *pgserver.Server, database string) []tableDump {
	ctx := context.Background()
	conn, err := s.Connect(ctx, "dbname='"+database+"'", "options='-c TimeZone=UTC'")
	require.NoError(t, err)
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT c.oid, format('%I.%I', nspname, relname) AS name FROM pg_class c
		JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relkind IN ('r', 'm', 't') AND relpersistence = 'p' ORDER BY 2`)
	require.NoError(t, err)
	dumps, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d tableDump, err error) {
		return d, row.Scan(&d.oid, &d.name)
	})
	require.NoError(t, err)
	for i := range dumps {
		var text bytes.Buffer
		_, err := conn.PgConn().CopyTo(ctx, &text, fmt.Sprintf(
			`COPY (SELECT ctid, xmin, xmax, * FROM ONLY %s ORDER BY ctid) TO STDOUT`, dumps[i].name))
		require.NoError(t, err, dumps[i].name)
		dumps[i].text = text.Bytes()
	}
	return dumps
}

// compared counts what was compared.
type compared struct {
	databases, tables, rows, values int
	unprinted                       map[string]int // values without a text here, by reason
}

func (c *compared) String() string {
	text := fmt.Sprintf("%d databases, %d tables, %d rows, %d values are equal", c.databases, c.tables, c.rows, c.values)
	for _, reason := range slices.Sorted(maps.Keys(c.unprinted)) {
		text += fmt.Sprintf("\nnot compared: %d values: %s", c.unprinted[reason], reason)
	}
	return text
}

// compareDumps compares every row of every table with what the server said.
func compareDumps(t testing.TB, c *catalog.Catalog, dumps map[string][]tableDump) *compared {
	count := &compared{unprinted: map[string]int{}}
	for _, name := range slices.Sorted(maps.Keys(dumps)) {
		db, err := c.Database(name)
		require.NoError(t, err)
		count.databases++
		for _, d := range dumps[name] {
			count.tables++
			r, err := db.RelationByOID(d.oid)
			require.NoError(t, err)
			require.NoError(t, compareTable(count, r, d.text), "database %s, %s", name, d.name)
		}
	}
	require.NotZero(t, count.values)
	return count
}

// compareTable compares the rows one by one with the lines of the server's text.
func compareTable(count *compared, r *catalog.Relation, want []byte) error {
	err := r.Scan(func(row *catalog.Row) error {
		line, rest, _ := bytes.Cut(want, []byte("\n"))
		if len(want) == 0 {
			return fmt.Errorf("row %s is too many", row.TID)
		}
		want = rest
		count.rows++
		return compareRow(count, row, strings.Split(string(line), "\t"))
	})
	if err == nil && len(want) > 0 {
		err = fmt.Errorf("there is no row for %.500q", want)
	}
	return err
}

// compareRow compares ctid, xmin, xmax and the columns.
func compareRow(count *compared, row *catalog.Row, want []string) error {
	got := []string{row.TID.String(), fmt.Sprint(row.XMin()), fmt.Sprint(row.XMax())}
	if len(want) < len(got) || !slices.Equal(got, want[:len(got)]) {
		return fmt.Errorf("ctid, xmin, xmax are %v instead of %v", got, want)
	}
	want = want[len(got):]
	for i, column := range row.Relation().Columns() {
		if column.Dropped {
			continue
		}
		if len(want) == 0 {
			return fmt.Errorf("row %s: column %s is too many", row.TID, column.Name)
		}
		text, null, err := row.Text(i)
		switch {
		case errors.Is(err, catalog.ErrNoOutput):
			count.unprinted[fmt.Sprintf("%s.%s: %v", row.Relation().Name, column.Name, errors.Unwrap(err))]++
		case err != nil:
			return err
		case copyText(text, null) != want[0]:
			return fmt.Errorf("row %s, column %s: %s", row.TID, column.Name, difference(copyText(text, null), want[0]))
		}
		count.values++
		want = want[1:]
	}
	if len(want) != 0 {
		return fmt.Errorf("row %s: there is no column for %q", row.TID, want)
	}
	return nil
}

// difference shows two texts from a little before where they begin to differ.
func difference(got, want string) string {
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	from := max(at-100, 0)
	return fmt.Sprintf("at byte %d: %.300q instead of %.300q", at, got[from:], want[from:])
}

var copyEscapes = strings.NewReplacer(
	`\`, `\\`, "\b", `\b`, "\f", `\f`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\v", `\v`)

// copyText is a value as COPY writes it.
func copyText(text string, null bool) string {
	if null {
		return `\N`
	}
	return copyEscapes.Replace(text)
}
