// SPDX-License-Identifier: Apache-2.0

package changes

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// DefaultMaxBytes is Config.MaxBytes when nobody says otherwise.
const DefaultMaxBytes = 64 << 20

// Config says what a Feed does with what it finds.
type Config struct {
	// Emit is called for each transaction that changed catalogs, and for each change in place, by the goroutine of
	// redo, which waits for it.
	Emit func(*Transaction)
	// Failed is called when the feed cannot go on, as on a damaged page of a catalog; redo goes on. May be nil.
	Failed func(error)
	// MaxBytes is how many bytes of rows a Transaction has at most; 0: DefaultMaxBytes.
	MaxBytes int
}

// Feed is a redo.Observer. It belongs to the goroutine of the Redo.
type Feed struct {
	redo *redo.Redo
	cfg  Config

	live  bool   // the directory is consistent: what pages say is true
	early bool   // there may be transactions that began before the feed did
	begin uint32 // the next transaction id when the feed began

	catalogs *catalog.Catalog
	open     map[uint32]*catalog.DB // of catalogs
	names    map[uint32][]string    // of the columns of catalogs
	tables   tables
	touched  touched

	commit  *commit    // that is being applied
	inPlace *overwrite // that is being applied
	failed  bool
}

// New makes a feed of what r applies. It begins as soon as the directory is consistent.
func New(r *redo.Redo, cfg Config) *Feed {
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	if cfg.Failed == nil {
		cfg.Failed = func(error) {}
	}
	f := &Feed{redo: r, cfg: cfg, names: map[uint32][]string{}}
	f.touched = touched{xacts: map[uint32]*footprint{}, max: maxTouched}
	f.tables.catalogs = func() *catalog.Catalog { return f.catalogs }
	f.tables.forget()
	return f
}

// Before implements redo.Observer.
func (f *Feed) Before(o *redo.Observed) {
	if f.failed || !f.live && !f.goLive() {
		return
	}
	f.check(o, f.before(o))
}

// After implements redo.Observer.
func (f *Feed) After(o *redo.Observed) {
	if f.failed || !f.live {
		return
	}
	f.check(o, f.after(o))
}

// goLive begins when the directory is consistent.
func (f *Feed) goLive() bool {
	if _, f.live = f.redo.Consistent(); f.live {
		f.early, f.begin = true, uint32(f.redo.Counters().NextXID)
		f.renew()
	}
	return f.live
}

// renew forgets what was read of the catalogs.
func (f *Feed) renew() {
	f.catalogs = catalog.New(f.redo.Store(), f.redo.Transactions())
	f.open = map[uint32]*catalog.DB{}
}

func (f *Feed) check(o *redo.Observed, err error) {
	if err == nil {
		return
	}
	f.failed, f.commit, f.inPlace = true, nil, nil
	f.cfg.Failed(fmt.Errorf("changes of catalogs at %s: %w", o.Record.LSN, err))
}

func (f *Feed) before(o *redo.Observed) error {
	switch p := o.Payload.(type) {
	case *rmgr.XactCommit:
		return f.beforeCommit(o, &p.XactEnd)
	case *rmgr.XactDistributedCommit:
		return f.beforeCommit(o, &p.XactEnd)
	case *rmgr.HeapInplace:
		return f.beforeInPlace(o, p)
	}
	return nil
}

func (f *Feed) after(o *redo.Observed) error {
	switch p := o.Payload.(type) {
	case *rmgr.HeapInsert, *rmgr.HeapMultiInsert, *rmgr.HeapUpdate, *rmgr.HeapDelete:
		return f.touches(o)
	case *rmgr.HeapInplace:
		return f.afterInPlace(o, p)
	case *rmgr.XactCommit, *rmgr.XactDistributedCommit:
		return f.afterCommit()
	case *rmgr.XactAbort:
		f.aborted(o, p)
	case *rmgr.RelMapUpdate:
		return f.mapped(o, p)
	case *rmgr.RunningXacts:
		f.touched.expire(p.OldestRunningXID)
		f.early = f.early && precedes(p.OldestRunningXID, f.begin)
	case *rmgr.DatabaseCreateFileCopy, *rmgr.DatabaseCreateWALLog, *rmgr.DatabaseDrop:
		f.renew()
		f.tables.forget()
	}
	return nil
}

// touches notes which blocks of catalogs a record has changed.
func (f *Feed) touches(o *redo.Observed) error {
	for i := range o.Body.Blocks {
		ref := &o.Body.Blocks[i]
		if ref.Fork != xlog.MainFork {
			continue
		}
		id, ok, err := f.tables.find(ref.Rel)
		if err != nil {
			return err
		}
		if ok {
			f.touched.add(o.Record.XID, id, ref.Rel, ref.Block)
		}
	}
	return nil
}

func (f *Feed) aborted(o *redo.Observed, p *rmgr.XactAbort) {
	for _, xid := range tree(o, &p.XactEnd) {
		f.touched.forget(xid)
	}
}

// mapped notes that catalogs got other files, by a map that counts before its transaction has ended.
func (f *Feed) mapped(o *redo.Observed, p *rmgr.RelMapUpdate) error {
	f.renew()
	if !f.tables.loaded[p.Database] {
		return nil
	}
	moved, err := f.tables.reload(p.Database)
	if err == nil && len(moved) > 0 {
		fp := f.touched.of(o.Record.XID)
		fp.moved = append(fp.moved, moved...)
	}
	return err
}

// tree is the transaction that ends and its subtransactions.
func tree(o *redo.Observed, end *rmgr.XactEnd) []uint32 {
	xid := o.Record.XID
	if end.Info&rmgr.XactHasTwoPhase != 0 {
		xid = end.XID
	}
	xids := append(make([]uint32, 0, 1+end.Subxacts.Len()), xid)
	for i := range end.Subxacts.Len() {
		xids = append(xids, end.Subxacts.At(i))
	}
	return xids
}
