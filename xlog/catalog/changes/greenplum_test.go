// SPDX-License-Identifier: Apache-2.0

package changes_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/catalog/changes"
	"github.com/walmirror/walmirror/xlog/redo"
)

// TestGreenplum replays what recorded coordinators of Greenplum 7 wrote: all that the feed has told is what lies
// between the catalogs at the begin and at the end, which package catalog compares with what SQL printed there.
func TestGreenplum(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: see TestFeed")
	}
	root := pgreplay.Recorded(t)
	for _, set := range []string{"gp7dev-matrixdb5", "gp7ga-layout-patched"} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			from, dir := filepath.Join(root, set), filepath.Join(t.TempDir(), "data")
			pgreplay.Unpack(t, filepath.Join(from, "base", "base-t0.tar.zst"), dir, filepath.Join(from, "wal"))
			r, err := redo.New(redo.Config{Dir: dir, TablespaceLocation: func(location string) string {
				spaces := filepath.Join(t.TempDir(), filepath.Base(location))
				require.NoError(t, os.Mkdir(spaces, 0o700))
				return spaces
			}})
			require.NoError(t, err)
			defer r.Close()
			var txs []*changes.Transaction
			o := &fromStart{t: t, redo: r, Feed: changes.New(r, changes.Config{
				Emit:   func(tx *changes.Transaction) { txs = append(txs, tx) },
				Failed: func(err error) { t.Error(err) },
			})}
			r.Observe(o)
			_, err = r.Replay(t.Context(), redo.ReplayConfig{})
			require.NoError(t, err)
			compareSums(t, o.start, readAll(t, r), txs)
		})
	}
}

// fromStart reads all catalogs where the feed begins.
type fromStart struct {
	*changes.Feed
	t     *testing.T
	redo  *redo.Redo
	start map[string]*dump
}

func (o *fromStart) Before(r *redo.Observed) {
	if _, consistent := o.redo.Consistent(); consistent && o.start == nil {
		o.start = readAll(o.t, o.redo)
	}
	o.Feed.Before(r)
}

// readAll reads the catalogs of all databases.
func readAll(t *testing.T, r *redo.Redo) map[string]*dump {
	c := catalog.New(r.Store(), r.Transactions())
	list, err := c.Databases()
	require.NoError(t, err)
	dumps := map[string]*dump{}
	for _, info := range list {
		db, err := c.Database(info.Name)
		require.NoError(t, err)
		relations, err := db.Relations()
		require.NoError(t, err)
		d := &dump{catalogs: map[string][]byte{}}
		for _, rel := range relations {
			if rel.OID < 16384 && rel.Namespace == 11 && rel.Kind == catalog.KindTable {
				d.catalogs[rel.Name] = readLines(t, db, rel.OID)
			}
		}
		dumps[info.Name] = d
	}
	return dumps
}

// readLines reads the rows of a catalog as COPY writes them.
func readLines(t *testing.T, db *catalog.DB, oid uint32) []byte {
	rel, err := db.RelationByOID(oid)
	require.NoError(t, err)
	var lines bytes.Buffer
	require.NoError(t, rel.Scan(func(row *catalog.Row) error {
		r := new(changes.Row)
		for i := range rel.Columns() {
			text, null, err := row.Text(i)
			require.NoError(t, err)
			r.Values = append(r.Values, changes.Value{Text: text, Null: null})
		}
		_, err := lines.WriteString(copyLine(r))
		return err
	}))
	return lines.Bytes()
}

func compareSums(t *testing.T, before, after map[string]*dump, txs []*changes.Transaction) {
	databases, rows := 0, 0
	for name, d := range after {
		if before[name] == nil {
			continue
		}
		want := between(before[name], d)
		require.Equal(t, want, of(txs, name), name)
		databases, rows = databases+1, rows+want.rows()
	}
	t.Logf("%d transactions, %d rows of catalogs of %d databases", len(txs), rows, databases)
	require.NotZero(t, rows)
}
