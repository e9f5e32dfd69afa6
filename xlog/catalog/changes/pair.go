// SPDX-License-Identifier: Apache-2.0

package changes

import (
	"bytes"

	"github.com/walmirror/walmirror/xlog/bufpage"
)

// rowChange is what became of one row: old is nil of one that was inserted, updated nil of one that was deleted.
type rowChange struct {
	catalog      catalogID
	old, updated *version
}

// cut tells that not all of the row is there.
func (r *rowChange) cut() bool { return r.old != nil && r.old.cut || r.updated != nil && r.updated.cut }

// pair follows the versions of each row from the one before the transaction to the one after it. A row that the
// transaction has made and deleted again is no change.
func pair(catalog catalogID, found []version) []rowChange {
	at := make(map[bufpage.TID]*version, len(found))
	for i := range found {
		at[found[i].tid] = &found[i]
	}
	later := make(map[*version]bool, len(found)) // versions that another was updated to
	for i := range found {
		if next := found[i].next(at); next != nil {
			later[next] = true
		}
	}
	var rows []rowChange
	for i := range found {
		first := &found[i]
		if later[first] {
			continue
		}
		row := rowChange{catalog: catalog, updated: first.last(at)}
		if !first.inserted {
			row.old = first
		}
		if row.old != nil || row.updated != nil {
			rows = append(rows, row)
		}
	}
	return rows
}

// next is the version that v was updated to by the transaction, nil when it was not.
func (v *version) next(at map[bufpage.TID]*version) *version {
	if !v.deleted || v.tuple.CTID() == v.tid {
		return nil
	}
	next := at[v.tuple.CTID()]
	if next == nil || !next.inserted || next.tuple.Xmin() != v.updater {
		return nil
	}
	return next
}

// last is the version that the transaction leaves, nil when it deletes the row. A chain of versions has no circle
// but on a damaged page.
func (v *version) last(at map[bufpage.TID]*version) *version {
	for range len(at) {
		next := v.next(at)
		if next == nil {
			break
		}
		v = next
	}
	if v.deleted {
		return nil
	}
	return v
}

// pairByOID compares the rows of a catalog before the transaction with those after it, where both have been looked
// for in whole files. Rows without a change are in both.
func pairByOID(catalog catalogID, before, after []version) []rowChange {
	old := map[uint32]*version{}
	for i := range before {
		if v := &before[i]; v.visible {
			old[firstOID(v.tuple)] = v
		}
	}
	var rows []rowChange
	for i := range after {
		v := &after[i]
		if v.deleted || !v.inserted && !v.visible {
			continue
		}
		oid := firstOID(v.tuple)
		row := rowChange{catalog: catalog, old: old[oid], updated: v}
		delete(old, oid)
		if row.old == nil || row.cut() || !bytes.Equal(row.old.tuple.Data(), v.tuple.Data()) {
			rows = append(rows, row)
		}
	}
	for i := range before {
		if v := &before[i]; old[firstOID(v.tuple)] == v {
			rows = append(rows, rowChange{catalog: catalog, old: v})
		}
	}
	return rows
}
