// SPDX-License-Identifier: Apache-2.0

package bufpage_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

const tuplesSQL = `CREATE TABLE t (a int, b text, c int);
	INSERT INTO t SELECT i, CASE WHEN i % 3 > 0 THEN repeat('b', i % 90) END, CASE WHEN i % 2 > 0 THEN i END
	FROM generate_series(1, 3000) i;
	CREATE INDEX i ON t (a);
	ALTER TABLE t ADD d int;
	UPDATE t SET d = 7, a = a + 10000 WHERE a % 10 = 0;
	DELETE FROM t WHERE a % 7 = 0;
	BEGIN; SELECT FROM t WHERE a % 11 = 0 FOR UPDATE; COMMIT`

const tuplesQuery = `SELECT ctid::text, concat_ws(' ', xmin, xmax, cmin, a, b IS NULL, c IS NULL, d IS NULL) FROM t`

// pagesOf are the pages of a relation of a stopped server.
func pagesOf(t *testing.T, s *pgserver.Server, path string) (pages []bufpage.Page) {
	content, err := os.ReadFile(filepath.Join(s.DataDir, path))
	require.NoError(t, err)
	for size := xlog.Postgres15.BlockSize(); len(content) > 0; content = content[size:] {
		pages = append(pages, content[:size])
	}
	require.NotEmpty(t, pages)
	return pages
}

// TestServerTuples reads the tuples of a table and of its index from their files, and compares them with what SQL says.
func TestServerTuples(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		s := pgserver.Start(t, pgserver.Options{Major: major, Settings: map[string]string{"autovacuum": "off"}})
		s.SQL(t, tuplesSQL)
		want := map[string]string{}
		for _, row := range s.SQL(t, tuplesQuery) {
			want[row[0]] = row[1]
		}
		table, index := s.Value(t, "SELECT pg_relation_filepath('t')"), s.Value(t, "SELECT pg_relation_filepath('i')")
		require.NoError(t, s.Stop(pgserver.Fast))

		got, others := heapTuples(t, pagesOf(t, s, table))
		for tid, tuple := range want {
			require.Equal(t, tuple, got[tid], tid)
		}
		require.Len(t, got, len(want)+others)
		found := indexTuples(t, pagesOf(t, s, index), want)
		require.Equal(t, len(want), found)
		t.Logf("%d tuples as SQL gives them, %d more that it does not see; %d index tuples lead to them",
			len(want), others, found)
	})
}

// heapTuples are the tuples as the query gives them, by their place, and how many of them were deleted or updated.
func heapTuples(t *testing.T, pages []bufpage.Page) (got map[string]string, dead int) {
	got = map[string]string{}
	for block, page := range pages {
		for off := 1; off <= page.MaxOffset(); off++ {
			if page.ItemID(off).Flags() != bufpage.Normal {
				continue
			}
			tuple := page.HeapTuple(off)
			require.NotNil(t, tuple)
			got[bufpage.TID{Block: uint32(block), Offset: uint16(off)}.String()] = fmt.Sprintf("%d %d %d %d %s %s %s",
				tuple.Xmin(), tuple.Xmax(), tuple.CID(), int32(binary.LittleEndian.Uint32(tuple.Data())),
				sqlBool(tuple.IsNull(1)), sqlBool(tuple.IsNull(2)), sqlBool(tuple.IsNull(3)))
			if tuple.Xmax() != 0 && tuple.Infomask()&(bufpage.XmaxLockOnly|bufpage.XmaxInvalid) == 0 {
				dead++
			}
		}
	}
	return got, dead
}

func sqlBool(b bool) string {
	if b {
		return "t"
	}
	return "f"
}

// indexTuples counts the index tuples that lead to tuples of the table.
func indexTuples(t *testing.T, pages []bufpage.Page, table map[string]string) (found int) {
	const leaf = 1 << 0 // BTP_LEAF
	for _, page := range pages[1:] {
		if special := page.Special(); special[12]&leaf == 0 {
			continue
		}
		for off := 1; off <= page.MaxOffset(); off++ {
			tuple := page.IndexTuple(off)
			require.NotNil(t, tuple)
			require.LessOrEqual(t, tuple.Size(), len(tuple))
			if tuple.Info()&bufpage.IndexReserved == 0 && table[tuple.TID().String()] != "" {
				found++
			}
		}
	}
	return found
}
