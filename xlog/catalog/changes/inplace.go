// SPDX-License-Identifier: Apache-2.0

package changes

import (
	"bytes"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// overwrite is a row that is being overwritten in place.
type overwrite struct {
	tx      *Transaction
	catalog catalogID
	old     *version
}

// beforeInPlace reads the row as it is. One that nobody sees yet is reported when its transaction commits.
func (f *Feed) beforeInPlace(o *redo.Observed, p *rmgr.HeapInplace) error {
	ref := o.Body.Block(0)
	if ref == nil {
		return nil
	}
	id, ok, err := f.tables.find(ref.Rel)
	if err != nil || !ok {
		return err
	}
	old, err := f.visible(ref, p.Offset)
	if err != nil || old == nil {
		return err
	}
	change, err := f.change(id)
	if err != nil {
		return err
	}
	change.Op = InPlace
	w := &overwrite{tx: f.transaction(o, o.Record.XID), catalog: id, old: old}
	w.tx.InPlace, w.tx.Changes = true, []Change{change}
	f.inPlace = w
	return f.describe(&w.tx.Changes[0].Old, id, old)
}

// afterInPlace reports the row when it is another now.
func (f *Feed) afterInPlace(o *redo.Observed, p *rmgr.HeapInplace) error {
	w := f.inPlace
	if w == nil {
		return nil
	}
	f.inPlace = nil
	updated, err := f.tuple(o.Body.Block(0), p.Offset)
	if err != nil || updated == nil || bytes.Equal(updated.tuple.Data(), w.old.tuple.Data()) {
		return err
	}
	if err := f.describe(&w.tx.Changes[0].New, w.catalog, updated); err != nil {
		return err
	}
	f.cfg.Emit(w.tx)
	return nil
}

// visible is a tuple that everybody sees, nil for another.
func (f *Feed) visible(ref *xlog.BlockRef, offset uint16) (*version, error) {
	v, err := f.tuple(ref, offset)
	if err != nil || v == nil {
		return nil, err
	}
	visible, err := f.catalogs.Visible(v.tuple)
	if !visible {
		v = nil
	}
	return v, err
}

// tuple copies a tuple from a page, nil when there is none.
func (f *Feed) tuple(ref *xlog.BlockRef, offset uint16) (*version, error) {
	store := f.redo.Store()
	if n, err := store.Blocks(ref.Rel, xlog.MainFork); err != nil || ref.Block >= n {
		return nil, err
	}
	buf, err := store.Read(ref.Rel, xlog.MainFork, ref.Block)
	if err != nil {
		return nil, err
	}
	t := buf.Page.HeapTuple(int(offset))
	if t == nil {
		return nil, nil
	}
	return &version{tid: bufpage.TID{Block: ref.Block, Offset: offset}, tuple: bytes.Clone(t)}, nil
}
