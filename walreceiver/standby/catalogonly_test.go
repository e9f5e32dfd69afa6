// SPDX-License-Identifier: Apache-2.0

package standby_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// catalogDump is what COPY says of each table that initdb made, of every database, by database and table.
type catalogDump map[string]map[string][]byte

// dumpCatalogs dumps all tables that a mirror of catalogs has, of all databases or of those that are named.
func dumpCatalogs(t *testing.T, primary *pgserver.Server, databases ...string) catalogDump {
	if len(databases) == 0 {
		for _, row := range primary.SQL(t, `SELECT datname FROM pg_database WHERE datallowconn`) {
			databases = append(databases, row[0])
		}
	}
	dump := catalogDump{}
	for _, database := range databases {
		dump[database] = dumpTables(t, primary, database)
	}
	return dump
}

func dumpTables(t *testing.T, primary *pgserver.Server, database string) map[string][]byte {
	ctx := context.Background()
	conn, err := primary.Connect(ctx, "dbname="+database, "options='-c TimeZone=UTC'")
	require.NoError(t, err)
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT oid::regclass::text FROM pg_class WHERE oid < 16384 AND relkind IN ('r', 't')`)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	dump := map[string][]byte{}
	for _, name := range names {
		var text bytes.Buffer
		_, err := conn.PgConn().CopyTo(ctx, &text, "COPY (SELECT ctid, * FROM ONLY "+name+" ORDER BY ctid) TO STDOUT")
		require.NoError(t, err, name)
		dump[name] = text.Bytes()
	}
	return dump
}

// compareCatalogs compares every row with a dump.
func compareCatalogs(t *testing.T, c *catalog.Catalog, dump catalogDump) {
	var tables, size int
	for database, dumped := range dump {
		db, err := c.Database(database)
		require.NoError(t, err)
		for name, want := range dumped {
			got, err := catalogText(db, name)
			require.NoError(t, err, "%s, %s", database, name)
			if !bytes.Equal(got, want) {
				require.Equal(t, string(want), string(got), "%s, %s", database, name)
			}
			tables++
			size += len(want)
		}
	}
	require.Greater(t, tables, 60*len(dump))
	t.Logf("%d tables of %d databases are equal, %d bytes of text", tables, len(dump), size)
}

func catalogText(db *catalog.DB, name string) ([]byte, error) {
	schema, table, ok := strings.Cut(name, ".")
	if !ok {
		schema, table = "pg_catalog", name
	}
	r, err := db.RelationIn(schema, table)
	if err != nil {
		return nil, err
	}
	var out []byte
	err = r.Scan(func(row *catalog.Row) error {
		out = append(out, row.TID.String()...)
		for i, column := range r.Columns() {
			if column.Dropped {
				continue
			}
			text, null, err := row.Text(i)
			if err != nil {
				return fmt.Errorf("%s: %w", column.Name, err)
			}
			if null {
				text = `\N`
			} else {
				text = copyEscapes.Replace(text)
			}
			out = append(append(out, '\t'), text...)
		}
		out = append(out, '\n')
		return nil
	})
	return out, err
}

var copyEscapes = strings.NewReplacer(
	`\`, `\\`, "\b", `\b`, "\f", `\f`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\v", `\v`)

// answers waits until the mirror has applied everything, and compares its catalogs with the primary's. Nobody else works on
// the primary.
func answers(t *testing.T, s *standby.Standby, primary *pgserver.Server, databases ...string) {
	t.Helper()
	dump := dumpCatalogs(t, primary, databases...)
	applied(t, s, primary)
	require.NoError(t, s.Catalog(t.Context(), func(c *catalog.Catalog) error {
		compareCatalogs(t, c, dump)
		return nil
	}))
}

// applied waits until everything that the primary has is applied.
func applied(t *testing.T, s *standby.Standby, primary *pgserver.Server) {
	t.Helper()
	end := primary.Value(t, "SELECT pg_current_wal_flush_lsn()")
	want, err := xlog.ParseLSN(end)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		st := s.Status().Replay
		return st.Error != "" || st.LSN >= want
	}, 3*patience, tick, "%s was never applied", end)
	require.Empty(t, s.Status().Replay.Error)
}

// diskUse is what the files below a directory take on disk, the log's and the others'.
func diskUse(t *testing.T, dir string) (wal, rest int64) {
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return ignoreGone(err)
		}
		info, err := d.Info()
		if err != nil {
			return ignoreGone(err)
		}
		size := info.Sys().(*syscall.Stat_t).Blocks * 512
		if strings.HasPrefix(path, filepath.Join(dir, "pg_wal")+"/") {
			wal += size
		} else {
			rest += size
		}
		return nil
	}))
	return wal, rest
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// onlyCatalogFiles looks whether the mirror has a file of each catalog, and none of any other relation.
func onlyCatalogFiles(t *testing.T, dir string, primary *pgserver.Server) {
	t.Helper()
	for _, row := range primary.SQL(t, `SELECT oid, datname FROM pg_database WHERE datallowconn`) {
		catalogs := map[string]bool{}
		for _, path := range databaseSQL(t, primary, row[1], `SELECT pg_relation_filepath(oid) FROM pg_class
			WHERE oid < 16384 AND pg_relation_filenode(oid) IS NOT NULL`) {
			catalogs[path[0]] = true
		}
		found := 0
		for _, pattern := range []string{"base/" + row[0] + "/*", "pg_tblspc/*/*/" + row[0] + "/*"} {
			files, err := filepath.Glob(filepath.Join(dir, pattern))
			require.NoError(t, err)
			for _, file := range files {
				number, ok := pgdata.RelationNumber(filepath.Base(file))
				if !ok {
					continue
				}
				found++
				rel, err := filepath.Rel(dir, filepath.Join(filepath.Dir(file), strconv.FormatUint(number, 10)))
				require.NoError(t, err)
				require.True(t, catalogs[rel], "database %s has %s, which is no catalog's", row[1], rel)
			}
		}
		require.GreaterOrEqual(t, found, 200, "database %s", row[1])
	}
}

func databaseSQL(t *testing.T, primary *pgserver.Server, database, sql string) (out [][]string) {
	t.Helper()
	conn, err := primary.Connect(t.Context(), "dbname="+database)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	require.NoError(t, err, sql)
	for _, r := range results {
		for _, row := range r.Rows {
			texts := make([]string, len(row))
			for i, v := range row {
				texts[i] = string(v)
			}
			out = append(out, texts)
		}
	}
	return out
}

// refusesToStart looks whether neither a stock server nor activation takes the mirror for a whole directory.
func refusesToStart(t *testing.T, dir string, primary *pgserver.Server) {
	t.Helper()
	st, err := standby.ReadStatus(dir)
	require.NoError(t, err)
	require.True(t, st.CatalogOnly)
	_, err = standby.Activate(t.Context(), standby.ActivateConfig{Dir: dir, Force: true})
	require.ErrorIs(t, err, pgdata.ErrCatalogOnly)

	require.NoError(t, pgserver.Chown(dir))
	before := treeOf(t, dir)
	cmd := exec.Command(filepath.Join(primary.BinDir, "postgres"), "-D", dir)
	pgserver.RunAs(cmd)
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "is not a valid data directory")
	require.Equal(t, before, treeOf(t, dir), "the server has changed something")
	data, err := pgdata.Open(vfs.OS, dir)
	require.NoError(t, err)
	require.True(t, data.CatalogOnly)
	require.Equal(t, primary.Major, data.Major)
}

// treeOf lists the files of a directory with their sizes and times.
func treeOf(t *testing.T, dir string) (list []string) {
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && !d.IsDir() {
			list = append(list, fmt.Sprint(path, info.Size(), info.ModTime()))
		}
		return err
	}))
	return list
}
