// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/catalog"
)

// compareForm makes every tuple of a database again of its values, and compares it with what the server has made.
// Tuples that the server has compressed something in, or stored it elsewhere, and those that are older than a column
// of their table are left out.
func compareForm(t *testing.T, db *catalog.DB) {
	list, err := db.Relations()
	require.NoError(t, err)
	same, left := 0, 0
	for _, info := range list {
		if info.Kind != catalog.KindTable && info.Kind != catalog.KindToast {
			continue
		}
		r, err := db.RelationByOID(info.OID)
		require.NoError(t, err)
		require.NoError(t, r.Scan(func(row *catalog.Row) error {
			values, ok := plainValues(t, row)
			if !ok {
				left++
				return nil
			}
			tuple, err := catalog.Form(r.Columns(), values)
			require.NoError(t, err)
			if !sameTuple(tuple, row.Tuple()) {
				t.Errorf("%s %s:\n%x\n%x", r.Name, row.TID, []byte(tuple), []byte(row.Tuple()))
			}
			same++
			return nil
		}))
	}
	require.NotZero(t, same)
	t.Logf("%d tuples made again are the same, %d not compared: compressed, stored elsewhere or older than a column",
		same, left)
}

// plainValues are a row's values when all stand in the tuple as they are.
func plainValues(t *testing.T, row *catalog.Row) ([]catalog.Value, bool) {
	columns := row.Relation().Columns()
	if row.Tuple().Natts() != len(columns) {
		return nil, false
	}
	values := make([]catalog.Value, len(columns))
	for i := range columns {
		stored := row.Stored(i)
		if len(stored) > 0 && columns[i].Type.Len == -1 && !isPlain(stored[0], columns[i].Type.NetworkOrder) {
			return nil, false
		}
		raw, err := row.Value(i)
		require.NoError(t, err)
		values[i] = catalog.Value{Raw: raw, Null: raw == nil}
	}
	return values, true
}

// isPlain tells by the first byte of a varlena that it is neither compressed nor stored elsewhere.
func isPlain(first byte, networkOrder bool) bool {
	if networkOrder {
		return first != 0x80 && first&0xC0 != 0x40
	}
	return first != 1 && first&3 != 2
}

// sameTuple compares columns, null bitmap and what says how to read them.
func sameTuple(a, b bufpage.HeapTuple) bool {
	const shape = bufpage.HasNull | bufpage.HasVarWidth | bufpage.HasExternal
	return a.Natts() == b.Natts() && a.Infomask()&shape == b.Infomask()&shape && a.Hoff() == b.Hoff() &&
		bytes.Equal(a[bufpage.HeapHeaderSize:], b[bufpage.HeapHeaderSize:])
}

// compareParse reads the text of each value of the tables, where that is understood, and compares the value with what
// the server has stored.
func compareParse(t *testing.T, db *catalog.DB, tables []string) {
	same, left := 0, 0
	for _, table := range tables {
		r, err := db.Relation(table)
		require.NoError(t, err)
		require.NoError(t, r.Scan(func(row *catalog.Row) error {
			text, null, err := row.Text(1)
			require.NoError(t, err)
			if null {
				return nil
			}
			raw, err := db.Parse(r.Columns()[1].Type.OID, text)
			dimensions := strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{{")
			name := errors.Is(err, catalog.ErrSyntax) && r.Columns()[1].Type.Len == 4
			if errors.Is(err, catalog.ErrNoInput) || dimensions || name {
				left++ // a type or an array that is not understood, or a name instead of an OID
				return nil
			}
			require.NoError(t, err, "%s %s", table, text)
			want, err := row.Value(1)
			require.NoError(t, err)
			require.Equal(t, want, raw, "%s %s", table, text)
			same++
			return nil
		}))
	}
	require.NotZero(t, same)
	t.Logf("%d texts read are the same values, %d not understood", same, left)
}
