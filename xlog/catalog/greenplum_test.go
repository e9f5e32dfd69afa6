// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/redo"
)

// TestGreenplum redoes what recorded coordinators of Greenplum 7 wrote, and compares the catalogs with what was printed
// there by SQL at the end: the dumped ones row by row, where every relation's file is, and typed rows.
func TestGreenplum(t *testing.T) {
	root := pgreplay.Recorded(t)
	for _, set := range []string{"gp7dev-matrixdb5", "gp7ga-layout-patched"} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			from, work := filepath.Join(root, set), t.TempDir()
			dir := filepath.Join(work, "data")
			pgreplay.Unpack(t, filepath.Join(from, "base", "base-t0.tar.zst"), dir, filepath.Join(from, "wal"))
			pgreplay.UnpackTar(t, filepath.Join(from, "sql-end.tar.zst"), work)
			readWith(t, redo.Config{Dir: dir, TablespaceLocation: func(location string) string {
				spaces := filepath.Join(t.TempDir(), filepath.Base(location))
				require.NoError(t, os.Mkdir(spaces, 0o700))
				return spaces
			}}, func(c *catalog.Catalog) {
				compareRecorded(t, c, filepath.Join(work, "sql"))
				db, err := c.Database("postgres")
				require.NoError(t, err)
				compareForm(t, db)
				compareStructs[catalog.SegmentConfiguration](t, db, 4)
			})
		})
	}
}

// compareRecorded compares with a folder of dumps.
func compareRecorded(t *testing.T, c *catalog.Catalog, dir string) {
	count := &compared{unprinted: map[string]int{}}
	names, err := filepath.Glob(filepath.Join(dir, "*.tsv"))
	require.NoError(t, err)
	databases := map[string]*catalog.DB{}
	for _, name := range names {
		text := readFile(t, name)
		database, table, _ := strings.Cut(strings.TrimSuffix(filepath.Base(name), ".tsv"), ".")
		if database == "shared" {
			database = ""
		}
		if databases[database] == nil {
			databases[database], err = c.Database(database)
			require.NoError(t, err)
			count.databases++
		}
		r, err := databases[database].Relation(table)
		require.NoError(t, err)
		count.tables++
		require.NoError(t, compareTable(count, r, text), name)
	}
	t.Log(count)
	for name, db := range databases {
		if name != "" {
			compareFiles(t, db, readFile(t, filepath.Join(dir, name+".filepaths.txt")))
			compareDigests(t, db, readFile(t, filepath.Join(dir, name+".md5.txt")))
		}
	}
	compareTyped(t, c)
}

func readFile(t *testing.T, name string) []byte {
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return text
}

// compareFiles compares where each relation's file is with pg_relation_filepath.
func compareFiles(t *testing.T, db *catalog.DB, text []byte) {
	files := 0
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSpace(line), "|") // oid, schema, name, kind, access method, persistence, number, path, size
		oid, err := strconv.ParseUint(f[0], 10, 32)
		require.NoError(t, err)
		r, err := db.RelationByOID(uint32(oid))
		require.NoError(t, err, line)
		require.Equal(t, []string{f[2], f[3], f[5], f[7]},
			[]string{r.Name, string(r.Kind), string(r.Persistence), path(r.Locator, f[7])}, line)
		files++
	}
	require.NotZero(t, files)
	t.Logf("%s: the files of %d relations are where they were", db.Name, files)
}

// path is a relation's file, of which the directory of a tablespace's version is taken from like.
func path(loc xlog.RelFileLocator, like string) string {
	switch loc.Tablespace {
	case 0:
		return ""
	case 1663:
		return fmt.Sprintf("base/%d/%d", loc.Database, loc.RelNumber)
	case 1664:
		return fmt.Sprintf("global/%d", loc.RelNumber)
	}
	version := strings.Split(like+"///", "/")[2]
	return fmt.Sprintf("pg_tblspc/%d/%s/%d/%d", loc.Tablespace, version, loc.Database, loc.RelNumber)
}

// compareDigests compares tables with the MD5 digests of their rows: md5(string_agg(t::text, E'\n' ORDER BY ctid)).
func compareDigests(t *testing.T, db *catalog.DB, text []byte) {
	tables, rows := 0, 0
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		r, err := db.Relation(f[0])
		require.NoError(t, err, line)
		var records []string
		err = r.Scan(func(row *catalog.Row) error {
			record, err := recordText(row)
			records = append(records, record)
			return err
		})
		require.NoError(t, err, line)
		require.Equal(t, f[1], strconv.Itoa(len(records)), line)
		digest := md5.Sum([]byte(strings.Join(records, "\n")))
		require.Equal(t, f[2], hex.EncodeToString(digest[:]), line)
		tables, rows = tables+1, rows+len(records)
	}
	require.NotZero(t, tables)
	t.Logf("%s: the digests of %d tables with %d rows are equal", db.Name, tables, rows)
}

// recordText is a row as text.
func recordText(row *catalog.Row) (string, error) {
	var fields []string
	for i, c := range row.Relation().Columns() {
		if c.Dropped {
			continue
		}
		text, null, err := row.Text(i)
		if err != nil {
			return "", err
		}
		if !null && (text == "" || strings.ContainsAny(text, "\"\\(), \t\n\v\f\r")) {
			text = `"` + strings.NewReplacer(`\`, `\\`, `"`, `""`).Replace(text) + `"`
		}
		fields = append(fields, text)
	}
	return "(" + strings.Join(fields, ",") + ")", nil
}

// compareTyped reads what the structs for Greenplum's catalogs are made for.
func compareTyped(t *testing.T, c *catalog.Catalog) {
	db, err := c.Database("")
	require.NoError(t, err)
	segments, err := catalog.Rows[catalog.SegmentConfiguration](db)
	require.NoError(t, err)
	require.NotEmpty(t, segments)
	t.Logf("%+v", segments)
	history, err := catalog.Rows[catalog.ConfigurationHistory](db)
	require.NoError(t, err)
	t.Logf("%+v", history)
}
