// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

// TestConsistency redoes a load that reaches every record, whose log has an image of each page as it was after each
// record (wal_consistency_checking = all), and few for redo to restore. Every page must be like its image but for what
// the server masks.
func TestConsistency(t *testing.T) {
	skipRaceOnly(t)
	parts := walload.Replayable
	if testing.Short() {
		parts = []string{"heap", "ddl"}
	}
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		source := pgreplay.Record(t, walload.Options{
			Major: major, Parts: parts,
			Settings: map[string]string{"wal_consistency_checking": "all", "full_page_writes": "off"},
		}, pgreplay.Cold)
		dir := filepath.Join(pgserver.TempDir(t), "redone")
		require.NoError(t, source.Copy(dir))
		openConsistency(t, Config{Dir: dir}).run(t)
	})
}

// TestGreenplumConsistency does so with the recording of a Greenplum.
func TestGreenplumConsistency(t *testing.T) {
	skipRaceOnly(t)
	set := filepath.Join(pgreplay.Recorded(t), "gp7dev-consistency")
	dir := filepath.Join(t.TempDir(), "redone")
	pgreplay.Unpack(t, filepath.Join(set, "base", "base.tar.zst"), dir, filepath.Join(set, "wal"))
	openConsistency(t, Config{Dir: dir}).run(t)
}

// consistencyRun redoes the log of a data directory. Pages that are not as their images are made so, and redo goes on.
type consistencyRun struct {
	*Redo
	reader  *xlog.Reader
	records int
	equal   map[string]uint64 // pages by kind of record
	none    map[string]uint64 // records that are to be checked, but had nothing to compare
	unequal map[string][]error
}

func openConsistency(t *testing.T, cfg Config) *consistencyRun {
	cfg.TablespaceLocation = func(location string) string {
		dir := filepath.Join(cfg.Dir+".tablespaces", filepath.Base(location))
		require.NoError(t, os.MkdirAll(dir, 0o700))
		return dir
	}
	r, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	require.NoError(t, r.enterArchiveRecovery())
	_, err = r.Rescan()
	require.NoError(t, err)
	r.CheckConsistency(true)
	return &consistencyRun{
		Redo: r, reader: xlog.NewReader(r.readerConfig(r.end)), equal: map[string]uint64{}, none: map[string]uint64{},
		unequal: map[string][]error{},
	}
}

// run redoes everything, and fails the test when a page was not like its image, or there was no image.
func (c *consistencyRun) run(t *testing.T) {
	for c.next(t) {
		c.records++
	}
	var total uint64
	for _, n := range c.equal {
		total += n
	}
	t.Logf("%d records, %d pages compared and equal, of %d kinds of records: %v", c.records, total, len(c.equal), c.equal)
	for name, n := range c.none {
		if c.equal[name] == 0 {
			t.Logf("%s: %d records, but nothing to compare", name, n)
		}
	}
	require.NotZero(t, total)
	for name, errs := range c.unequal {
		t.Errorf("%s: %d pages differ; the first: %v", name, len(errs), errs[0])
	}
}

// next redoes a record, and tells whether there was one.
func (c *consistencyRun) next(t *testing.T) bool {
	rec, err := c.reader.Next()
	if errors.Is(err, xlog.ErrZeroed) || errors.Is(err, xlog.ErrTorn) {
		return false
	}
	require.NoError(t, err)
	before := c.Compared()
	err = c.Apply(rec)
	name := c.decoder.RmgrName(rec.Rmgr) + " " + c.decoder.Name(rec.Rmgr, rec.Info)
	if n := c.Compared() - before; n > 0 {
		c.equal[name] += n
	} else if rec.Info&xlog.XLRCheckConsistency != 0 {
		c.none[name]++
	}
	if errors.Is(err, ErrInconsistent) {
		c.unequal[name] = append(c.unequal[name], err)
		c.heal(t)
		return true
	}
	require.NoError(t, err)
	return true
}

// heal restores the images of the record, and goes on as if nothing was wrong.
func (c *consistencyRun) heal(t *testing.T) {
	for i := range c.body.Blocks {
		ref := &c.body.Blocks[i]
		if !ref.HasImage() {
			continue
		}
		buf, err := c.store.Read(ref.Rel, ref.Fork, ref.Block)
		require.NoError(t, err)
		require.NoError(t, bufpage.RestoreImage(buf.Page, &ref.Image))
		c.changed(buf)
	}
	c.failed, c.end = nil, c.lsn
}
