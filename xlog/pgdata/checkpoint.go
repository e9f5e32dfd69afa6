// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// Between runs a function while nobody else uses what belongs to one goroutine, or gives an error without running it.
// Then what it belongs to is of no more use.
type Between func(func() error) error

// Checkpoint is a Flush in small pieces, beside a goroutine that goes on with the Store: everything that was done before
// it began is durable when it returns, and some of what was done since then may be. There may be one at a time, and no
// Flush. An error is final.
//
// Everything that belongs to the Store is used within between, but for two things that take time: copies of pages are
// written, and files are synced. Whoever wants a file to which copies are on their way waits for them
// (segmentFiles.landed): nothing is read from it before they are there, and no copy comes after the file was truncated,
// removed or written anew. A file that is removed needs no sync (segmentFiles.syncing).
func (s *Store) Checkpoint(between Between) error {
	c := checkpoint{s: s, between: between, staging: make([]byte, 0, pagesAtOnce*s.blockSize)}
	err := c.write()
	if err == nil {
		err = c.sync()
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("the store cannot go on: %w", err)
	_ = between(func() error { // when it does not run, the Store is of no more use either
		s.failed = err
		return nil
	})
	return err
}

// checkpoint is a Checkpoint at work.
type checkpoint struct {
	s       *Store
	between Between

	pages     []dirtyPage           // that were dirty, in the order of files
	relations []xlog.RelFileLocator // whose files were not up to date
	late      []dirtyPage           // of pages, those for the next round
	lateRels  []xlog.RelFileLocator // of relations
	last      bool                  // the last round
	staging   []byte                // copies of pages
	runs      []run                 // which are to be written
	keys      []fileKey             // to these files
}

// dirtyPage is where a page was in the cache.
type dirtyPage struct {
	rel    xlog.RelFileLocator
	block  uint32
	buffer uint32 // its index
	fork   xlog.ForkNumber
}

func compareDirty(a, b dirtyPage) int {
	return cmp.Or(compareRelations(a.rel, b.rel), cmp.Compare(a.fork, b.fork), cmp.Compare(a.block, b.block))
}

// How much is done within between at a time.
const (
	pagesAtOnce     = 64
	buffersAtOnce   = 8 << 10 // that are looked at
	relationsAtOnce = 16
)

// maxRounds is how often pages are left for later that were changed since BeforeWrite, which takes a while, was called.
const maxRounds = 3

// write brings the files up to date.
func (c *checkpoint) write() error {
	if err := c.collect(); err != nil {
		return err
	}
	for round := 1; len(c.pages)+len(c.relations) > 0; round++ {
		c.last = round == maxRounds
		if err := c.between(func() error { return c.s.beforeWrite(c.s.record) }); err != nil {
			return err
		}
		for pages := range slices.Chunk(c.pages, pagesAtOnce) {
			if err := c.writePages(pages); err != nil {
				return err
			}
		}
		for locs := range slices.Chunk(c.relations, relationsAtOnce) {
			if err := c.between(func() error { return c.settle(locs) }); err != nil {
				return err
			}
		}
		c.pages, c.late = c.late, c.pages[:0]
		c.relations, c.lateRels = c.lateRels, c.relations[:0]
	}
	return nil
}

// collect finds out what is to be written. A page that was dirty at the begin, and is not when it is looked at, was written
// or is gone.
func (c *checkpoint) collect() error {
	end := 0
	err := c.between(func() error {
		end = len(c.s.buffers)
		for _, r := range c.s.changed {
			c.relations = append(c.relations, r.loc)
		}
		return c.s.failed
	})
	if err != nil {
		return err
	}
	for at := 0; at < end; at += buffersAtOnce {
		err := c.between(func() error {
			c.look(at, min(at+buffersAtOnce, end))
			return nil
		})
		if err != nil {
			return err
		}
	}
	slices.SortFunc(c.pages, compareDirty)
	slices.SortFunc(c.relations, compareRelations)
	return nil
}

func (c *checkpoint) look(from, to int) {
	for i := from; i < to; i++ {
		if b := &c.s.buffers[i]; b.dirty {
			c.pages = append(c.pages, dirtyPage{b.Rel, b.Block, uint32(i), b.Fork})
		}
	}
}

// early tells whether what a record did may show in files now; else it is left for the next round.
func (c *checkpoint) early(record uint64) bool {
	return c.last || record <= c.s.safe || c.s.cfg.BeforeWrite == nil
}

// writePages writes pages as far as they are still dirty.
func (c *checkpoint) writePages(pages []dirtyPage) error {
	if err := c.between(func() error { return c.stage(pages) }); err != nil || len(c.runs) == 0 {
		return err
	}
	var err error
	for _, r := range c.runs {
		if _, err = r.file.WriteAt(r.content, r.at); err != nil {
			break
		}
	}
	c.s.files.land(err)
	return err
}

// stage copies pages, and takes them for written from now on.
func (c *checkpoint) stage(pages []dirtyPage) error {
	s := c.s
	s.files.flight.keys = nil
	s.batch, c.staging, c.runs, c.keys = s.batch[:0], c.staging[:0], c.runs[:0], c.keys[:0]
	for _, p := range pages {
		b := &s.buffers[p.buffer]
		switch {
		case !b.dirty || b.Block != p.block || b.Rel != p.rel || b.Fork != p.fork:
		case !c.early(max(b.dirtied, b.fork.cutAt)):
			c.late = append(c.late, p)
		default:
			s.batch = append(s.batch, b)
		}
	}
	for batch := s.batch; len(batch) > 0; {
		f := batch[0].fork
		n := sameFork(batch)
		if err := c.stageFork(f, batch[:n]); err != nil {
			return fmt.Errorf("%s, %s: %w", f.rel.loc, f.number, err)
		}
		batch = batch[n:]
	}
	if len(c.runs) > 0 {
		s.files.depart(c.keys)
	}
	for _, b := range s.batch {
		s.noteWritten(b)
	}
	return nil
}

func (c *checkpoint) stageFork(f *fork, pages []*Buffer) error {
	s := c.s
	if err := s.shape(f); err != nil {
		return err
	}
	for len(pages) > 0 {
		n := s.run(pages)
		key, at, err := s.prepare(f, pages[0].Block)
		if err != nil {
			return err
		}
		file, err := s.files.forWrite(key)
		if err != nil {
			return err
		}
		from := len(c.staging)
		if c.staging, err = s.gather(c.staging, pages[:n]); err != nil {
			return err
		}
		c.runs = append(c.runs, run{file, c.staging[from:], at})
		c.keys = append(c.keys, key)
		pages = pages[n:]
	}
	return nil
}

// run is copies of pages that follow each other in a file.
type run struct {
	file    vfs.File
	content []byte
	at      int64
}

// settle makes files show what else was done to relations than that pages were changed.
func (c *checkpoint) settle(locs []xlog.RelFileLocator) error {
	for _, loc := range locs {
		db := c.s.databases[databaseKey{loc.Tablespace, loc.Database}]
		if db == nil {
			continue
		}
		r := db.relations[loc.RelNumber]
		switch {
		case r == nil || r.changedAt < 0:
		case !c.early(r.cutAt()):
			c.lateRels = append(c.lateRels, loc)
		default:
			if err := c.s.settleRelation(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// cutAt is the record that truncated or dropped a fork last.
func (r *relation) cutAt() (record uint64) {
	for i := range r.forks {
		record = max(record, r.forks[i].cutAt)
	}
	return record
}

// settleRelation is writeRelation, but for the pages. With pages in the cache the relation stays one that may be changed.
func (s *Store) settleRelation(r *relation) error {
	exists, err := s.settleForks(r, func(*fork) error { return nil })
	if err != nil {
		return err
	}
	if !r.cached() {
		s.unnoteChange(r)
	}
	if !exists {
		s.forget(r)
	}
	return nil
}

// sync makes the files durable that were written.
func (c *checkpoint) sync() error {
	files := &c.s.files
	var u unsynced
	var keys []fileKey
	err := c.between(func() error {
		u, files.unsynced, files.flight.keys = files.unsynced, newUnsynced(), nil
		files.syncing, keys = u.files, u.keys()
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(keys, compareFiles)
	for _, key := range keys {
		err := unlessRemoved(c.between, files.syncPath(key.path()), func() bool {
			_, there := files.syncing[key]
			return !there
		})
		if err != nil {
			return err
		}
	}
	if err := files.syncNames(u); err != nil {
		return err
	}
	return c.between(func() error {
		files.syncing = nil
		return nil
	})
}

// unlessRemoved is the error of syncing a file, but for one that was removed in the meantime.
func unlessRemoved(between Between, err error, removed func() bool) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return between(func() error {
		if removed() {
			return nil
		}
		return err
	})
}

// flight is copies of pages on their way to files.
type flight struct {
	mu   sync.Mutex // held until they are there
	keys []fileKey  // the files; changed within between
	err  error      // of a write: final
}

// depart comes before copies are written, within between.
func (c *segmentFiles) depart(keys []fileKey) {
	c.flight.mu.Lock()
	c.flight.keys = keys
}

// land comes when they are written.
func (c *segmentFiles) land(err error) {
	c.flight.err = err
	c.flight.mu.Unlock()
}

// landed waits for copies that are being written to a file.
func (c *segmentFiles) landed(key fileKey) error {
	if !slices.Contains(c.flight.keys, key) {
		return nil
	}
	return c.allLanded()
}

// allLanded waits for all copies that are being written.
func (c *segmentFiles) allLanded() error {
	if c.flight.keys == nil {
		return nil
	}
	c.flight.mu.Lock()
	defer c.flight.mu.Unlock()
	return c.flight.err
}
