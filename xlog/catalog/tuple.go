// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"fmt"
)

// deform finds the values of a row's tuple (heap_deform_tuple in src/backend/access/common/heaptuple.c). What makes no
// sense is noted in row.err, and every later value of the row is that error.
func (r *Relation) deform(row *Row) {
	row.err = nil
	row.stored = row.stored[:0]
	natts := min(row.tuple.Natts(), len(r.columns))
	data, at := row.tuple.Data(), 0
	for i := range natts {
		if row.tuple.IsNull(i) {
			row.stored = append(row.stored, nil)
			continue
		}
		begin, end, err := cutColumn(data, at, &r.columns[i].Type)
		if err != nil {
			row.err = fmt.Errorf("%s %s, column %s: %w", r.Name, row.TID, r.columns[i].Name, err)
			return
		}
		row.stored = append(row.stored, data[begin:end:end])
		at = end
	}
}

// cutColumn finds a value that begins at data[at:] or, where that is not aligned, behind it.
func cutColumn(data []byte, at int, t *TypeInfo) (begin, end int, err error) {
	// A varlena with a short header is not aligned, and does not begin with a zero.
	if t.Len != -1 || at < len(data) && data[at] == 0 {
		at = align(at, t.Alignment())
	}
	if at > len(data) {
		return 0, 0, fmt.Errorf("%w: it would begin at %d of %d bytes", ErrValue, at, len(data))
	}
	size := int(t.Len)
	switch {
	case t.Len == -1:
		_, size, err = cutVarlena(t, data[at:])
	case t.Len == -2:
		size = bytes.IndexByte(data[at:], 0) + 1
		if size == 0 {
			err = fmt.Errorf("%w: string without end", ErrValue)
		}
	case t.Len <= 0 || size > len(data)-at:
		err = fmt.Errorf("%w: %d bytes at %d of %d", ErrValue, t.Len, at, len(data))
	}
	return at, at + size, err
}

// align is the next multiple of n, which is a power of two.
func align(at, n int) int { return (at + n - 1) &^ (n - 1) }
