// SPDX-License-Identifier: Apache-2.0

package changes

import (
	"bytes"
	"slices"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
)

// version is a version of a row that a transaction has inserted or deleted.
type version struct {
	tid      bufpage.TID
	tuple    bufpage.HeapTuple
	inserted bool
	deleted  bool
	updater  uint32 // xid that has deleted it
	visible  bool   // to others, as long as the transaction is in progress; known when the collector is asked for such
	cut      bool   // there was no room for more of the tuple than its header and first OID
}

// collector looks for what a transaction, with its subtransactions, did to pages of catalogs.
type collector struct {
	store *pgdata.Store
	xacts *pgdata.Transactions
	xids  map[uint32]struct{}
	room  int  // bytes of tuples that may be kept
	class bool // the tuples are of pg_class
	found []version

	visible func(bufpage.HeapTuple) (bool, error) // not nil: tuples that others see are of interest too
}

func newCollector(r *redo.Redo, xids []uint32, room int) *collector {
	c := &collector{store: r.Store(), xacts: r.Transactions(), xids: make(map[uint32]struct{}, len(xids)), room: room}
	for _, xid := range xids {
		c.xids[xid] = struct{}{}
	}
	return c
}

// rows finds the changed rows of a catalog.
func (c *collector) rows(file *touchedFile) ([]rowChange, error) {
	c.found, c.class = nil, file.catalog.oid == classCatalog
	var err error
	if file.all {
		err = c.all(file.file)
	} else {
		err = c.some(file.file, file.blocks)
	}
	return pair(file.catalog, c.found), err
}

// all looks at every block of a file.
func (c *collector) all(file xlog.RelFileLocator) error {
	n, err := c.store.Blocks(file, xlog.MainFork)
	for block := uint32(0); block < n && err == nil; block++ {
		err = c.block(file, block)
	}
	return err
}

// some looks at the blocks that were touched. Those that are not there any more had nothing that counts.
func (c *collector) some(file xlog.RelFileLocator, touched map[uint32]struct{}) error {
	n, err := c.store.Blocks(file, xlog.MainFork)
	if err != nil {
		return err
	}
	blocks := make([]uint32, 0, len(touched))
	for block := range touched {
		if block < n {
			blocks = append(blocks, block)
		}
	}
	slices.Sort(blocks)
	for _, block := range blocks {
		if err := c.block(file, block); err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) block(file xlog.RelFileLocator, block uint32) error {
	c.store.Begin()
	buf, err := c.store.Read(file, xlog.MainFork, block)
	if err != nil {
		return err
	}
	for off := 1; off <= buf.Page.MaxOffset(); off++ {
		t := buf.Page.HeapTuple(off)
		if t == nil {
			continue
		}
		v := version{tid: bufpage.TID{Block: block, Offset: uint16(off)}, tuple: t}
		if err := c.judge(&v); err != nil {
			return err
		}
		if v.inserted || v.deleted || v.visible {
			c.keep(v)
		}
	}
	return nil
}

// keep copies a tuple, or its header and first OID. What pg_class says of catalogs has room at any rate: it is
// needed.
func (c *collector) keep(v version) {
	needed := c.class && firstOID(v.tuple) < firstNormalObject
	if c.room -= len(v.tuple); c.room < 0 && !needed {
		v.tuple, v.cut = v.tuple[:min(len(v.tuple), v.tuple.Hoff()+4)], true
	}
	v.tuple = bytes.Clone(v.tuple)
	c.found = append(c.found, v)
}

// judge finds out what the transaction did to a tuple.
func (c *collector) judge(v *version) error {
	mask := v.tuple.Infomask()
	if mask&bufpage.XminFrozen == 0 || mask&bufpage.XminFrozen == bufpage.XminCommitted {
		_, v.inserted = c.xids[v.tuple.Xmin()]
	}
	var err error
	v.updater, err = c.updater(v.tuple)
	if v.updater != 0 {
		_, v.deleted = c.xids[v.updater]
	}
	if err == nil && c.visible != nil {
		v.visible, err = c.visible(v.tuple)
	}
	return err
}

// updater is the transaction that has updated or deleted a tuple, 0 when there is none (HeapTupleHeaderGetUpdateXid
// in src/include/access/htup_details.h).
func (c *collector) updater(t bufpage.HeapTuple) (uint32, error) {
	mask := t.Infomask()
	exclusive := mask&(bufpage.XmaxIsMulti|bufpage.XmaxKeyShrLock|bufpage.XmaxExclLock) == bufpage.XmaxExclLock
	switch {
	case mask&(bufpage.XmaxInvalid|bufpage.XmaxLockOnly) != 0 || exclusive:
		return 0, nil
	case mask&bufpage.XmaxIsMulti != 0:
		return c.xacts.MultiXacts.Updater(t.Xmax())
	}
	return t.Xmax(), nil
}
