// SPDX-License-Identifier: Apache-2.0

package changes_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/catalog/changes"
)

// dump is all catalogs of a database as a real server sees them: the lines of COPY.
type dump struct {
	end      xlog.LSN // everything visible was committed before
	catalogs map[string][]byte
	marks    map[string]string // number of rows, and sum of their xmin
}

// dumper takes dumps of a server.
type dumper struct {
	t        testing.TB
	server   *pgserver.Server
	copies   map[string]string // COPY of each catalog
	marks    string            // the query for the marks
	conn     *pgx.Conn         // to database; nil when there is none
	database string
}

// take makes a dump of a database. What the dump before, if it is given, has of catalogs is taken over where no row
// can be another: their number and the sum of their xmin are what they were. Rows of two catalogs are overwritten
// in place.
func (d *dumper) take(database string, before *dump) *dump {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if d.conn == nil || d.conn.Ping(ctx) != nil || d.database != database {
		d.connect(ctx, database)
	}
	state := &dump{catalogs: map[string][]byte{}, marks: map[string]string{}}
	rows, err := d.conn.Query(ctx, d.marks)
	require.NoError(d.t, err)
	var name, mark string
	_, err = pgx.ForEachRow(rows, []any{&name, &mark}, func() error { state.marks[name] = mark; return nil })
	require.NoError(d.t, err)
	for catalog, sql := range d.copies {
		inPlace := catalog == "pg_class" || catalog == "pg_database"
		if before != nil && before.marks[catalog] == state.marks[catalog] && !inPlace {
			state.catalogs[catalog] = before.catalogs[catalog]
			continue
		}
		var out bytes.Buffer
		_, err := d.conn.PgConn().CopyTo(ctx, &out, sql)
		require.NoError(d.t, err, sql)
		state.catalogs[catalog] = out.Bytes()
	}
	var text string
	err = d.conn.QueryRow(ctx, "SELECT pg_current_wal_insert_lsn()::text").Scan(&text)
	require.NoError(d.t, err)
	state.end, err = xlog.ParseLSN(text)
	require.NoError(d.t, err)
	return state
}

func (d *dumper) connect(ctx context.Context, database string) {
	d.disconnect(ctx)
	conn, err := d.server.Connect(ctx, "dbname="+database, "application_name=dump")
	require.NoError(d.t, err)
	d.conn, d.database = conn, database
	if d.copies == nil {
		d.copies = copies(ctx, d.t, conn)
		var marks []string
		for catalog := range d.copies {
			marks = append(marks, fmt.Sprintf(
				"SELECT '%s', count(*) || ' ' || coalesce(sum(xmin::text::bigint), 0) FROM %[1]s", catalog))
		}
		d.marks = strings.Join(marks, " UNION ALL ")
	}
}

// disconnect comes before statements that suffer nobody in a database.
func (d *dumper) disconnect(ctx context.Context) {
	if d.conn != nil {
		_ = d.conn.Close(ctx)
		d.conn = nil
	}
}

// copies are the statements that dump each catalog.
func copies(ctx context.Context, t testing.TB, conn *pgx.Conn) map[string]string {
	rows, err := conn.Query(ctx, `SELECT c.relname::text, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND c.oid < 16384 AND a.attnum > 0
		GROUP BY c.relname`)
	require.NoError(t, err)
	found := map[string]string{}
	var name, columns string
	_, err = pgx.ForEachRow(rows, []any{&name, &columns}, func() error {
		found[name] = fmt.Sprintf("COPY (SELECT %s FROM pg_catalog.%s) TO STDOUT", columns, name)
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, len(found), 50)
	return found
}

// delta is how often each row is there more than before, by catalog and line of COPY; rows that are as often there as
// before are not in it.
type delta map[string]map[string]int

func (d delta) add(catalog, line string, n int) {
	if d[catalog] == nil {
		d[catalog] = map[string]int{}
	}
	if d[catalog][line] += n; d[catalog][line] == 0 {
		delete(d[catalog], line)
	}
	if len(d[catalog]) == 0 {
		delete(d, catalog)
	}
}

func (d delta) rows() (n int) {
	for _, lines := range d {
		n += len(lines)
	}
	return n
}

// between is what became of the rows from one dump to the next.
func between(before, after *dump) delta {
	d := delta{}
	for catalog, lines := range after.catalogs {
		if bytes.Equal(lines, before.catalogs[catalog]) {
			continue
		}
		for line := range bytes.Lines(before.catalogs[catalog]) {
			d.add(catalog, string(line), -1)
		}
		for line := range bytes.Lines(lines) {
			d.add(catalog, string(line), 1)
		}
	}
	return d
}

// of is what became of the rows of a database, and of the shared ones, according to transactions of the feed.
func of(txs []*changes.Transaction, database string) delta {
	d := delta{}
	for _, tx := range txs {
		for _, c := range tx.Changes {
			if c.Database != "" && c.Database != database {
				continue // autovacuum's
			}
			if c.Old != nil {
				d.add(c.Catalog, copyLine(c.Old), -1)
			}
			if c.New != nil {
				d.add(c.Catalog, copyLine(c.New), 1)
			}
		}
	}
	return d
}

var copyEscapes = strings.NewReplacer(
	"\\", `\\`, "\b", `\b`, "\f", `\f`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\v", `\v`)

// copyLine is a row as COPY writes it.
func copyLine(r *changes.Row) string {
	values := make([]string, len(r.Values))
	for i, v := range r.Values {
		values[i] = `\N`
		if !v.Null {
			values[i] = copyEscapes.Replace(v.Text)
		}
	}
	return strings.Join(values, "\t") + "\n"
}
