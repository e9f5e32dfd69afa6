// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/catalog"
)

// everything has a field of each kind that a struct may have.
type everything struct {
	Flag     bool
	Letter   byte
	Small    int16
	Whole    int32
	Big      int64
	OID      uint32 `catalog:"object"`
	XID      uint32
	LSN      xlog.LSN
	Real     float32
	Double   float64
	Moment   time.Time
	Later    *time.Time
	Note     string
	Nothing  *string
	Label    string
	Words    string
	Bytes    []byte
	Number   string
	Relation string // not a column
	Day      string
	Vector   string
}

func (everything) Catalog() string { return "everything" }

func makeEverything(t *testing.T, s *pgserver.Server) {
	s.SQL(t, `CREATE TABLE everything (flag bool, letter "char", small int2, whole int4, big int8, object oid, xid xid,
			lsn pg_lsn, "real" float4, double float8, moment timestamptz, later timestamptz, note text, nothing text,
			label name, words text[], bytes bytea, number uuid, day date, vector int2vector, "left" int);
		INSERT INTO everything VALUES
		(true, 'p', -7, -70000, -7000000000, 4294967295, '77', '1/2', -0.1, 1e300, '2001-02-03 04:05:06.789+00',
			'1999-01-01', 'a note', NULL, 'a label', '{a,"b c",NULL}', '\x0001', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
			'2024-02-29', '1 2 3'),
		(false, '', 0, 0, 0, 0, '0', '0/0', 0, 0, '1970-01-01', NULL, repeat('long ', 300), '', '', '{}', '',
			'00000000-0000-0000-0000-000000000000', 'infinity', '')`)
}

// compareStructs reads rows into structs, and makes the same tuples of them.
func compareStructs[T catalog.Struct](t *testing.T, db *catalog.DB, least int) {
	var zero T
	r, err := db.Relation(zero.Catalog())
	require.NoError(t, err)
	count := 0
	require.NoError(t, r.Scan(func(row *catalog.Row) error {
		var v T
		require.NoError(t, row.ScanStruct(&v))
		tuple, err := r.Form(&v)
		require.NoError(t, err)
		require.True(t, sameTuple(tuple, row.Tuple()), "%+v:\n%x\n%x", v, []byte(tuple), []byte(row.Tuple()))
		count++
		return nil
	}))
	require.GreaterOrEqual(t, count, least)
}

// refuseStructs has fields that do not fit their columns.
func refuseStructs(t *testing.T, db *catalog.DB) {
	r, err := db.Relation("everything")
	require.NoError(t, err)
	for _, src := range []any{
		struct{ Flag int64 }{2}, struct{ Small int32 }{40000}, struct{ Moment time.Time }{}, struct{ Words string }{"{"},
		struct{ Label bool }{}, struct{ Double float32 }{}, struct{ LSN int16 }{-1},
		struct{ Double int64 }{1}, struct{ Object float32 }{1}, struct{ Small uint16 }{65535}, struct{ Note int }{1},
	} {
		_, err := r.Form(src)
		require.Error(t, err, "%+v", src)
	}
	_, err = r.Form(7)
	require.Error(t, err)
	class, err := db.Relation("pg_class")
	require.NoError(t, err)
	_, err = class.Form(struct{ RelName string }{"others must not be null"})
	require.ErrorIs(t, err, catalog.ErrForm)
}
