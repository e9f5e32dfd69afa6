// SPDX-License-Identifier: Apache-2.0

package changes

import (
	"slices"

	"github.com/walmirror/walmirror/xlog"
)

// catalogID is a catalog of a database; database 0 has the shared ones.
type catalogID struct{ database, oid uint32 }

// maxTouched is how many blocks are remembered at most, of all transactions together. Of a relation with more blocks
// than there is room for every block is looked at.
const maxTouched = 1 << 20

// touched is which blocks of catalogs the transactions in progress have written, each subtransaction by itself, as
// records have them. The tuples stay there until the transaction has ended: nothing that a transaction in progress
// has inserted or deleted is pruned, and when a catalog is written anew, tuples are copied with their xmin and
// xmax.
type touched struct {
	xacts  map[uint32]*footprint
	blocks int // that are remembered
	max    int
}

// footprint is what one transaction or subtransaction has touched, in the order in which it did first.
type footprint struct {
	files []touchedFile
	moved []move // mapped catalogs that it gave a new file
}

// move is that a catalog has another file.
type move struct {
	catalog catalogID
	from    xlog.RelFileLocator
}

// touchedFile is the blocks of a catalog's file.
type touchedFile struct {
	catalog catalogID
	file    xlog.RelFileLocator
	all     bool // all blocks are to be looked at
	blocks  map[uint32]struct{}
	from    xlog.RelFileLocator // its file before the transaction, when that has given it this one; else zero
}

func (t *touched) of(xid uint32) *footprint {
	fp := t.xacts[xid]
	if fp == nil {
		fp = new(footprint)
		t.xacts[xid] = fp
	}
	return fp
}

// add notes that a record of xid has changed a block.
func (t *touched) add(xid uint32, catalog catalogID, file xlog.RelFileLocator, block uint32) {
	fp := t.of(xid)
	i := slices.IndexFunc(fp.files, func(f touchedFile) bool { return f.file == file })
	if i < 0 {
		i = len(fp.files)
		fp.files = append(fp.files, touchedFile{catalog: catalog, file: file, blocks: map[uint32]struct{}{}})
	}
	f := &fp.files[i]
	if _, known := f.blocks[block]; known || f.all {
		return
	}
	if t.blocks >= t.max {
		t.blocks -= len(f.blocks)
		f.all, f.blocks = true, nil
		return
	}
	f.blocks[block] = struct{}{}
	t.blocks++
}

// take removes a transaction with its subtransactions and gives what they have touched.
func (t *touched) take(xids []uint32) footprint {
	var sum footprint
	for _, xid := range xids {
		fp := t.xacts[xid]
		if fp == nil {
			continue
		}
		t.forget(xid)
		sum.moved = append(sum.moved, fp.moved...)
		for _, f := range fp.files {
			sum.merge(f)
		}
	}
	return sum
}

func (fp *footprint) merge(f touchedFile) {
	i := slices.IndexFunc(fp.files, func(g touchedFile) bool { return g.file == f.file })
	if i < 0 {
		fp.files = append(fp.files, f)
		return
	}
	g := &fp.files[i]
	g.all = g.all || f.all
	for block := range f.blocks {
		if !g.all {
			g.blocks[block] = struct{}{}
		}
	}
}

// forget removes one that was aborted, or whose server crashed.
func (t *touched) forget(xid uint32) {
	if fp := t.xacts[xid]; fp != nil {
		for _, f := range fp.files {
			t.blocks -= len(f.blocks)
		}
		delete(t.xacts, xid)
	}
}

// expire forgets those before the oldest in progress, which ended in a crash.
func (t *touched) expire(oldest uint32) {
	for xid := range t.xacts {
		if precedes(xid, oldest) {
			t.forget(xid)
		}
	}
}

// precedes tells whether a is older than b (TransactionIdPrecedes, of normal ids).
func precedes(a, b uint32) bool { return int32(a-b) < 0 }
